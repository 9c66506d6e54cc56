package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/lab/child"
)

// initialize makes a new cluster: in a folder of another name first, so that
// only a complete one is ever found under the right name.
func (f *folder) initialize(ctx context.Context, cfg Config, acc account) error {
	leftovers, err := filepath.Glob(filepath.Join(f.path, newPattern))
	if err != nil {
		return fmt.Errorf("look for leftovers in the data folder: %w", err)
	}
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove leftovers in the data folder: %w", err)
		}
	}
	dir, err := os.MkdirTemp(f.path, newPattern)
	if err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := acc.give(dir); err != nil {
		return err
	}
	if err := initdb(ctx, cfg, acc, dir); err != nil {
		return err
	}
	if err := os.Rename(dir, f.cluster()); err != nil {
		return fmt.Errorf("move the new data folder to its place: %w", err)
	}
	return nil
}

func initdb(ctx context.Context, cfg Config, acc account, dir string) error {
	cmd := exec.CommandContext(ctx, cfg.Binaries.initdb())
	path, closeDir, err := pathFor(cmd, acc, dir)
	if err != nil {
		return err
	}
	defer closeDir()
	cmd.Args = append(cmd.Args,
		"--pgdata="+path,
		"--username="+superuser,
		"--encoding=UTF8",
		// Bytewise order is the same on every system and in every release of
		// its C library, so no index ever breaks; letters still know their case.
		"--locale=C", "--lc-ctype="+ctype(),
		"--auth-local=trust", "--auth-host=reject",
	)
	if cfg.Volatile {
		cmd.Args = append(cmd.Args, "--no-sync")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	configure(cmd, acc)
	cmd.WaitDelay = stopGrace
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	<-p.Done()
	if err := p.Err(); err != nil {
		return fmt.Errorf("make the data folder with initdb: %w: %s", err, lastLine(out.String()))
	}
	return nil
}

// ctype is a character classification for UTF-8 that the system has.
func ctype() string {
	if runtime.GOOS == "darwin" {
		return "UTF-8"
	}
	return "C.UTF-8"
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// CreateDatabase makes the database unless it exists.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
