package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"reforest/directory"
)

// Save collects the forest to the file at path, which is there whole or not at all,
// readable by its owner alone. A file that is there is replaced.
func Save(ctx context.Context, reader directory.Reader, path string, config Config) (Summary, error) {
	summary, err := save(ctx, reader, path, config)
	if err != nil {
		return Summary{}, fmt.Errorf("save forest to %q: %w", path, err)
	}
	return summary, syncDir(filepath.Dir(path))
}

// save writes beside the path, and renames when the bytes are on the disk.
func save(ctx context.Context, reader directory.Reader, path string, config Config) (summary Summary, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.tmp") // mode 0600
	if err != nil {
		return summary, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	summary, err = Collect(ctx, reader, file, config)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return summary, err
	}
	return summary, os.Rename(file.Name(), path)
}

// syncDir makes the new name durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("save forest: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
