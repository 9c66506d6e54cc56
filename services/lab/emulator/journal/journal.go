// Package journal provides an append-only file of lines that survives the death of its process: the
// next Open reads every line for which Append has returned, and drops a line that was only partly
// written.
//
// It protects against the death of the process (kill -9), not against the loss of the machine:
// lines are given to the operating system, not synced to disk.
package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrLine is returned by Append for a line that holds a line break.
var ErrLine = errors.New("journal: a line may not hold a line break")

const readBuffer = 1 << 20

// Journal is an open file of lines. It is not safe for concurrent use, except
// that other handles may read the file up to Size at any time.
type Journal struct {
	file *os.File
	size int64
	buf  []byte
}

// Open opens or creates the file and calls each for every complete line, in
// order, without its line break; each may be nil. The slice is only valid
// during the call. An incomplete last line is cut off the file.
// An error of each ends Open, wrapped with the file's name and the line number.
func Open(path string, each func(line []byte) error) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	size, err := replay(file, each)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := file.Truncate(size); err != nil {
		return nil, errors.Join(fmt.Errorf("cut the torn end of %s: %w", path, err), file.Close())
	}
	return &Journal{file: file, size: size}, nil
}

// replay returns the length of the file up to its last complete line.
func replay(file *os.File, each func(line []byte) error) (int64, error) {
	var size int64
	reader := bufio.NewReaderSize(file, readBuffer)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file.Name(), err)
		}
		size += int64(len(line))
		if each == nil {
			continue
		}
		if err := each(line[:len(line)-1]); err != nil {
			return 0, fmt.Errorf("%s line %d: %w", file.Name(), number, err)
		}
	}
}

// Append writes one line with a single write call. When it fails, the file is
// as it was before.
func (j *Journal) Append(line []byte) error {
	if bytes.IndexByte(line, '\n') >= 0 {
		return ErrLine
	}
	j.buf = append(append(j.buf[:0], line...), '\n')
	n, err := j.file.WriteAt(j.buf, j.size)
	if err != nil {
		cut := j.file.Truncate(j.size)
		return errors.Join(fmt.Errorf("append to %s: %w", j.file.Name(), err), cut)
	}
	j.size += int64(n)
	return nil
}

// Size is the length of the file in bytes up to the end of the last line.
func (j *Journal) Size() int64 { return j.size }

// Clear empties the file.
func (j *Journal) Clear() error {
	if err := j.file.Truncate(0); err != nil {
		return fmt.Errorf("empty %s: %w", j.file.Name(), err)
	}
	j.size = 0
	return nil
}

// Close closes the file. Lines already appended stay.
func (j *Journal) Close() error {
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// Replace writes content to path so that at every moment the file holds either
// all of the old or all of the new content.
func Replace(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fill(temp, content); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp.Name()))
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func fill(file *os.File, content []byte) error {
	if _, err := file.Write(content); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}
