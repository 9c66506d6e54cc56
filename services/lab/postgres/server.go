// Package postgres runs a private PostgreSQL server: found where one is
// installed, got where none is, reachable by a Unix socket in its own folder
// only, and never outliving the process that started it (on Linux not even
// when that is killed).
//
// Access is by file permission: the socket lies in a folder of mode 0700 that
// belongs to the server's user, so only that user and root get in, and no
// password is needed or kept.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/child"
)

const (
	// superuser is the one role of a new cluster.
	superuser = "chorus"
	// port only names the socket file: no TCP port is opened.
	port = "5432"
	// duplicateDatabase is the SQLSTATE of a database that exists.
	duplicateDatabase = "42P04"

	startTimeout = 60 * time.Second // crash recovery after kill -9 included
	waitTimeout  = 20 * time.Second // for a predecessor to let go of the folder
	orphanGrace  = 6 * time.Second  // PostgreSQL's own immediate shutdown takes 5 s at most
	stopGrace    = 10 * time.Second // for each of the two ways to stop
)

// Config configures the server and its folder.
type Config struct {
	// DataDir is made if it doesn't exist and kept when the server stops.
	DataDir string
	Log     *zap.Logger
	// Volatile trades the data's safety in a crash of the machine for speed.
	// A crash or a kill of the server alone still loses nothing.
	Volatile bool
	// Settings are further parameters of postgresql.conf, by name.
	Settings map[string]string
}

// Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	folder  *folder
	process *child.Process
	log     *serverLog
	socket  string // its folder

	stop sync.Once
	err  error
}

// Start makes the data folder if it is new, and returns when the server takes
// connections. It installs PostgreSQL if there is none, and says so in a warning.
// It fails if the folder was made by a major version that isn't installed. It
// waits for a predecessor on the same folder that is still shutting down, or was
// killed. The server lives until Stop, not until ctx is done.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	waitCtx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	f, err := openFolder(waitCtx, cfg.DataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: f}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg Config) error {
	major, err := s.folder.major()
	if err != nil {
		return err
	}
	b, err := ensure(ctx, major, cfg.Log)
	if err != nil {
		return err
	}
	if major != 0 && major != b.major {
		return fmt.Errorf("the data folder %s was made by PostgreSQL %d, but this is version %d: install version %d, or move the folder away to begin anew",
			s.folder.path, major, b.major, major)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	acc, err := accountOf(s.folder.cluster())
	if err != nil {
		return err
	}
	if major == 0 {
		err = s.folder.initialize(ctx, b, acc, cfg.Volatile)
	} else {
		err = s.folder.awaitOrphan(ctx)
	}
	if err != nil {
		return err
	}
	// The last children of a killed predecessor hold its shared memory for a moment.
	for {
		err := s.launch(ctx, cfg, b, acc)
		if err == nil || !strings.Contains(err.Error(), "pre-existing shared memory block") {
			return err
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Server) launch(ctx context.Context, cfg Config, b binaries, acc *syscall.Credential) (err error) {
	if err := s.openSocketDir(acc); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.removeSocketDir()
		}
	}()
	// Not bound to ctx: the server outlives the start.
	cmd, path, closeDir, err := b.command(context.WithoutCancel(ctx), "postgres", acc, s.folder.cluster())
	if err != nil {
		return err
	}
	defer closeDir()
	cmd.Args = append(cmd.Args, s.arguments(cfg, path)...)
	s.log = newServerLog(cfg.Log)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if s.process, err = child.Start(cmd, syscall.SIGQUIT); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.process.Stop(stopGrace, syscall.SIGQUIT))
	}
	s.log.quiet.Store(false)
	return nil
}

func (s *Server) arguments(cfg Config, path string) []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": s.socket,
		"unix_socket_permissions": "0700",
		"max_connections":         "300", // many processes with a pool each, on one machine
		"timezone":                "UTC",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_line_prefix":         "",
		"log_min_error_statement": "panic",
		"cluster_name":            "chorus",
	}
	if s.socket == s.folder.cluster() {
		// The server may not be able to walk the absolute path to its working folder.
		settings["unix_socket_directories"] = "."
	}
	if cfg.Volatile {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, cfg.Settings)
	args := []string{"-D", path}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !s.folder.ready(s.process.Pid()) {
		select {
		case <-tick.C:
		case <-s.process.Done():
			return fmt.Errorf("PostgreSQL ended at its start: %s", s.log.tail())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL takes too long to start: %w; it says: %s", ctx.Err(), s.log.tail())
		}
	}
	return nil
}

// socketFile is PostgreSQL's name for its socket.
const socketFile = ".s.PGSQL." + port

// openSocketDir chooses the data folder itself, if a client's path to it is
// short enough for the operating system, else a private folder in /tmp.
func (s *Server) openSocketDir(acc *syscall.Credential) (err error) {
	s.socket = s.folder.cluster()
	if len(filepath.Join(s.socket, socketFile)) <= maxSocketPath {
		return nil
	}
	if s.socket, err = os.MkdirTemp("/tmp", "chorus-pg-"); err != nil {
		return fmt.Errorf("make a folder for the socket: %w", err)
	}
	return give(s.socket, acc)
}

func (s *Server) removeSocketDir() {
	if s.socket != s.folder.cluster() {
		// A failure leaves only an empty private folder in /tmp.
		_ = os.RemoveAll(s.socket)
	}
}

// DSN is the connection URL of a database on this server.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Path:   "/" + database,
		RawQuery: url.Values{
			"host":    {s.socket},
			"port":    {port},
			"sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}

// Pid is the process id of the server.
func (s *Server) Pid() int { return s.process.Pid() }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// CreateDatabase makes the database unless it exists.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == duplicateDatabase {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Stop ends all sessions, writes everything to disk and ends the server; what
// takes longer than 10 s is cut short, without loss of committed data. It
// returns when the server has ended, and the same every time.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		s.log.quiet.Store(true)
		// SIGINT is a fast shutdown, SIGQUIT an immediate one.
		s.err = errors.Join(
			s.process.Stop(stopGrace, syscall.SIGINT, syscall.SIGQUIT),
			s.folder.close(),
		)
		s.removeSocketDir()
	})
	return s.err
}
