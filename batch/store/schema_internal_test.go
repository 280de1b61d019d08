package store

import (
	"errors"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	for have, want := range map[int64]error{1: ErrOlder, 2: nil, 3: ErrNewer} {
		if err := compare(have, 2); !errors.Is(err, want) {
			t.Errorf("schema %d where 2 is known: %v, want %v", have, err, want)
		}
	}
}
