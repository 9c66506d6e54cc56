package operate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

// limitUsed is the use of a limit that a setting sets.
type limitUsed struct {
	Key   string `json:"key" doc:"the setting"`
	Chat  string `json:"chat,omitempty" doc:"the chat's name; empty where it holds for everybody"`
	Of    string `json:"of" doc:"whose it is, in words"`
	Used  int    `json:"used"`
	Limit int    `json:"limit" doc:"0 is none"`
	ETag  string `json:"etag" doc:"for If-Match, when the setting is set for the chat or for everybody"`
}

// share returns the used part, from 0 to 1.
func (l limitUsed) share() float64 {
	if l.Limit == 0 {
		return 0
	}
	return min(float64(l.Used)/float64(l.Limit), 1)
}

func (l limitUsed) words() string {
	if l.Limit == 0 {
		return fmt.Sprintf("%d, without a limit", l.Used)
	}
	return fmt.Sprintf("%d of %d", l.Used, l.Limit)
}

const (
	// shownLimits is of how many chats and people each is shown.
	shownLimits = 5

	usedToday = `-- console: messages of chats today
SELECT c.id, c.name, k.texts FROM chat_clock k JOIN chats c ON c.id = k.chat_id
WHERE k.texts_day = (now() AT TIME ZONE 'UTC')::date AND k.texts > 0 AND c.removed_at IS NULL ORDER BY k.texts DESC, c.name LIMIT $1`
	answersOfChats = `-- console: answers of chats in an hour
SELECT c.id, c.name, count(*)::integer FROM answers a JOIN chats c ON c.id = a.chat_id
WHERE a.planned_at > now() - interval '1 hour' GROUP BY c.id ORDER BY 3 DESC, c.name LIMIT $1`
	answersOfPeople = `-- console: answers of people in an hour
SELECT 0::bigint, coalesce(p.name, 'somebody'), count(*)::integer FROM answers a LEFT JOIN people p ON p.telegram_id = a.person_id
WHERE a.planned_at > now() - interval '1 hour' AND a.person_id IS NOT NULL GROUP BY a.person_id, p.name ORDER BY 3 DESC LIMIT $1`
)

// tagOf is the etag of a setting of a chat, 0 for all.
func tagOf(values *settings.Values, d *settings.Definition, chat int64) string {
	text, from := values.Text(d, chat, 0)
	return operation.ETag([2]string{text, string(from)})
}

// used is the use of a limit by one chat or person.
type used struct {
	ID   int64
	Name string
	N    int
}

// limits returns the limits of the chats and people that have used most of theirs.
func (a *Area) limits(ctx context.Context) ([]limitUsed, error) {
	values, err := settingspg.Values(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	all := []limitUsed{}
	for _, l := range []struct {
		key   settings.Key[int]
		sql   string
		words string
		none  string
	}{
		{settings.MaxMessagesPerDay, usedToday, "messages today in %s", "messages today in a chat"},
		{settings.MaxAnswersPerHour, answersOfChats, "answers to people in the last hour in %s", "answers to people in the last hour in a chat"},
		{settings.PersonMaxAnswersPerHour, answersOfPeople, "answers to %s in the last hour, in all chats", "answers to a person in the last hour, in all chats"},
	} {
		found, err := store.Collect(ctx, a.Pool, "read how much is used", pgx.RowToStructByPos[used], l.sql, shownLimits)
		if err != nil {
			return nil, err
		}
		for _, u := range found {
			shown := limitUsed{Key: l.key.Key, Of: fmt.Sprintf(l.words, u.Name), Used: u.N, Limit: l.key.Of(values, u.ID, 0)}
			if u.ID != 0 {
				shown.Chat = u.Name
			}
			shown.ETag = tagOf(values, l.key.Definition, u.ID)
			all = append(all, shown)
		}
		if len(found) == 0 {
			all = append(all, limitUsed{Key: l.key.Key, Of: l.none, Limit: l.key.Of(values, 0, 0), ETag: tagOf(values, l.key.Definition, 0)})
		}
	}
	return all, nil
}
