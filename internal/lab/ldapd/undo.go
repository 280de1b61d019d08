package ldapd

import "weak"

// An undoLog remembers how to take back what has been done since the first snapshot that
// it knows, so that to restore one costs no more than what has happened since. It is
// empty, and stays so, while it knows none.
type undoLog struct {
	steps []func()
	marks map[weak.Pointer[Snapshot]]int // how many steps there were when it was taken
	off   bool                           // while steps are taken back
}

// did adds how to take a change back.
func (u *undoLog) did(undo func()) {
	if len(u.marks) > 0 && !u.off {
		u.steps = append(u.steps, undo)
	}
}

// mark notes that the content is now as the snapshot has it.
func (u *undoLog) mark(at *Snapshot) {
	for old := range u.marks {
		if old.Value() == nil { // nobody can ask for it any more
			delete(u.marks, old)
		}
	}
	if len(u.marks) == 0 {
		u.marks, u.steps = map[weak.Pointer[Snapshot]]int{}, nil
	}
	u.marks[weak.Make(at)] = len(u.steps)
}

// back takes back everything since the snapshot. False: it is not known here.
func (u *undoLog) back(to *Snapshot) bool {
	mark, known := u.marks[weak.Make(to)]
	if !known {
		return false
	}
	u.off = true
	for i := len(u.steps) - 1; i >= mark; i-- {
		u.steps[i]()
	}
	clear(u.steps[mark:])
	u.steps, u.off = u.steps[:mark], false
	for other, at := range u.marks {
		if at > mark {
			delete(u.marks, other)
		}
	}
	return true
}
