// Package world is the emulator's idea of Telegram: accounts, groups,
// memberships, messages, reactions and the updates that bots get about them.
// It knows nothing of HTTP.
//
// Identity of messages follows Telegram. In a supergroup a message has one id.
// In a basic group each bot numbers the messages it sees itself, over all its
// basic groups, so one message has another id for each bot, and a bot can only
// refer to what it has sent or received. People, the page and the control
// interface see every message under one number of the chat's own (see Post.Seq).
//
// A World with a folder is durable: every change is in the folder's journal
// before its method returns, and message and update ids never repeat, not even
// after kill -9. All methods of World are safe for concurrent use.
package world
