package batch

import (
	"context"

	"reforest/directory"
)

// inHandEach is how many plans are in hand for each write that may be under way. Those
// that are not written just now wait for the journal, which is made durable for all of
// them at once: the more there are, the less each has to wait.
const inHandEach = 4

// inHand returns how many plans are in hand. Whoever asks for one writer wants one thing
// done after the other.
func (s *Stager) inHand() int {
	if s.writers() == 1 {
		return 1
	}
	return inHandEach * s.writers()
}

// gate lets no more than Writers writes be under way at once, in both forests together.
func (s *Stager) gate() {
	gated, open := *s.Directories, make(chan struct{}, s.writers())
	gated.Source.Writer = gatedWriter{gated.Source.Writer, open}
	gated.Target.Writer = gatedWriter{gated.Target.Writer, open}
	s.gated = &gated
}

// A gatedWriter writes while there is room in open.
type gatedWriter struct {
	directory.Writer
	open chan struct{}
}

func (w gatedWriter) Write(ctx context.Context, change directory.Change) error {
	select {
	case w.open <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-w.open }()
	return w.Writer.Write(ctx, change)
}
