// Package page is the emulator's chat page: one watches simulated groups live,
// as in a Telegram client, and joins in as a person.
//
// The page is a few embedded files without any outside resource. It reads chats
// and messages as JSON and is told of everything new by server-sent events.
// Every answer and every event carries a cursor, so that a reader that was away
// goes on where it was, without gaps or doubles.
//
// People have no accounts and no passwords here: whoever reaches the page may
// write under any person's name. It therefore answers under loopback names and
// the configured ones only, which keeps other web sites from reaching it through
// a name of theirs that points here, and it takes no writes from other origins.
package page
