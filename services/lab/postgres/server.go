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
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/child"
)

const (
	// superuser is the one role of a new cluster.
	superuser = "chorus"
	// port only names the socket file: no TCP port is opened.
	port = "5432"

	startTimeout = 60 * time.Second // crash recovery after kill -9 included
	waitTimeout  = 20 * time.Second // for a predecessor to let go of the folder
	orphanGrace  = 6 * time.Second  // PostgreSQL's own immediate shutdown takes 5 s at most
	stopGrace    = 10 * time.Second // for each of the two ways to stop
)

// Config says what to run and where.
type Config struct {
	Binaries Binaries
	// DataDir is made if it doesn't exist and kept when the server stops.
	DataDir string
	Log     *zap.Logger
	// Volatile trades the data's safety in a crash of the machine for speed.
	// A crash or a kill of the server alone still loses nothing.
	Volatile bool
	// MaxConnections is PostgreSQL's max_connections, 100 if 0.
	MaxConnections int
	// Settings are further parameters of postgresql.conf, by name.
	Settings map[string]string
}

// Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	folder  *folder
	process *child.Process
	log     *serverLog
	socket  string

	stop sync.Once
	err  error
}

// Start makes the data folder if it is new, and returns when the server takes
// connections. It fails if the folder was made by another major version. It
// waits for a predecessor on the same folder that is still shutting down, or
// was killed. The server lives until Stop, not until ctx is done.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	waitCtx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	f, err := openFolder(waitCtx, cfg.DataDir)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, cfg, f)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

func start(ctx context.Context, cfg Config, f *folder) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	major, err := Major(f.path)
	switch {
	case err != nil:
		return nil, err
	case major != 0 && major != cfg.Binaries.Major:
		return nil, versionError(f.path, major, cfg.Binaries.Major)
	}
	acc, err := accountOf(f.cluster())
	if err != nil {
		return nil, err
	}
	if major == 0 {
		if err := f.initialize(ctx, cfg, acc); err != nil {
			return nil, err
		}
	} else if err := f.awaitOrphan(ctx); err != nil {
		return nil, err
	}
	s := &Server{folder: f, log: newServerLog(cfg.Log)}
	if err := s.launch(ctx, cfg, acc); err != nil {
		return nil, err
	}
	return s, nil
}

func versionError(path string, have, installed int) error {
	return fmt.Errorf("the data folder %s was made by PostgreSQL %d, but this is version %d: install version %d, or move the folder away to begin anew",
		path, have, installed, have)
}

// launch starts the server program. One that finds remains of a killed
// predecessor (its last children hold the shared memory for a moment) is tried
// again until ctx is done.
func (s *Server) launch(ctx context.Context, cfg Config, acc account) error {
	for {
		err := s.launchOnce(ctx, cfg, acc)
		if err == nil || !s.log.mentions("pre-existing shared memory block") {
			return err
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (s *Server) launchOnce(ctx context.Context, cfg Config, acc account) (err error) {
	if err := s.openSocketDir(acc); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.removeSocketDir()
		}
	}()
	s.log.reset()
	// Not bound to ctx: the server outlives the start.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), cfg.Binaries.postgres())
	path, closeDir, err := pathFor(cmd, acc, s.folder.cluster())
	if err != nil {
		return err
	}
	defer closeDir()
	cmd.Args = append(cmd.Args, s.arguments(cfg, path)...)
	configure(cmd, acc)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.WaitDelay = stopGrace

	s.process, err = child.Start(cmd, syscall.SIGQUIT)
	if err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.process.Stop(stopGrace, syscall.SIGQUIT))
	}
	s.log.setQuiet(false)
	return nil
}

// configure gives a program of PostgreSQL its user and an environment without
// PG* and LC_* variables, which would change what it does.
func configure(cmd *exec.Cmd, acc account) {
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: acc.credential(),
		Setpgid:    true, // Ctrl-C in a terminal is for us: we stop the server in our order
	}
}

func (s *Server) arguments(cfg Config, path string) []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": s.socketSetting(),
		"unix_socket_permissions": "0700",
		"max_connections":         strconv.Itoa(cmp.Or(cfg.MaxConnections, 100)),
		"timezone":                "UTC",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_line_prefix":         "",
		"log_min_error_statement": "panic",
		"cluster_name":            "chorus",
	}
	if cfg.Volatile {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, cfg.Settings)
	args := []string{"-D", path}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
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

// openSocketDir chooses the data folder itself, if a client's path to it is
// short enough for the operating system, else a private folder in /tmp.
func (s *Server) openSocketDir(acc account) error {
	s.socket = s.folder.cluster()
	if len(filepath.Join(s.socket, ".s.PGSQL."+port)) <= maxSocketPath {
		return nil
	}
	dir, err := os.MkdirTemp("/tmp", "chorus-pg-")
	if err != nil {
		return fmt.Errorf("make a folder for the socket: %w", err)
	}
	s.socket = dir
	return acc.give(dir)
}

func (s *Server) removeSocketDir() {
	if s.socket != s.folder.cluster() {
		// What stays behind is an empty private folder in /tmp.
		_ = os.RemoveAll(s.socket)
	}
}

// socketSetting is relative for the data folder, the server's working folder:
// it may not be able to walk the absolute path.
func (s *Server) socketSetting() string {
	if s.socket == s.folder.cluster() {
		return "."
	}
	return s.socket
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

// SocketPath is the server's Unix socket.
func (s *Server) SocketPath() string { return filepath.Join(s.socket, ".s.PGSQL."+port) }

// Pid is the process id of the server.
func (s *Server) Pid() int { return s.process.Pid() }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// Stop ends all sessions, writes everything to disk and ends the server; what
// takes longer than 10 s is cut short, without loss of committed data. It
// returns when the server has ended, and the same every time.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		s.log.setQuiet(true)
		// SIGINT is a fast shutdown, SIGQUIT an immediate one.
		s.err = errors.Join(
			s.process.Stop(stopGrace, syscall.SIGINT, syscall.SIGQUIT),
			s.folder.close(),
		)
		s.removeSocketDir()
	})
	return s.err
}
