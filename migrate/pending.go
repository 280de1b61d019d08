package migrate

import "context"

// Room is a Target that can say how much more its mailbox takes.
type Room interface {
	Room(ctx context.Context) (free int64, limited bool, err error)
}
