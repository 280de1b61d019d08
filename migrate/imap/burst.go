package imap

import "context"

// burstMost is how many commands of a burst are on their way together.
const burstMost = 100

// A sending is a command of a burst.
type sending struct {
	op     string
	handle handler
	parts  []part
}

// burst sends the commands, many at a time, and hands over their answers in order, with
// what was not understood beside one. It goes on to the answers that are on their way
// after an error of answered, the first of which it returns.
func (c *Conn) burst(ctx context.Context, sends []sending, answered func(i int, s status, err error) error) error {
	for start := 0; start < len(sends); start += burstMost {
		var way []*sent
		for _, one := range sends[start:min(start+burstMost, len(sends))] {
			s, err := c.send(ctx, one.op, one.handle, one.parts...)
			if err != nil {
				return err
			}
			way = append(way, s)
		}
		var failed error
		for i, s := range way {
			answer, err := s.wait(ctx)
			if err == nil || !c.broken && ctx.Err() == nil {
				err = answered(start+i, answer, err)
			}
			if failed == nil {
				failed = err
			}
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}
