package deployment

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// place holds a deployment's addresses.
type place struct {
	pool   *pgxpool.Pool
	client *control.Client
	keys   secret.Keyring
}

// Pool is the database.
func (p *place) Pool() *pgxpool.Pool { return p.pool }

// Emulator is the emulated Telegram.
func (p *place) Emulator() *control.Client { return p.client }

// Keys seal the bots' tokens.
func (p *place) Keys() secret.Keyring { return p.keys }
