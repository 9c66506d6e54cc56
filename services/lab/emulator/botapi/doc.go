// Package botapi is Telegram's Bot API over HTTP, on a world of its own: the
// same paths, parameters, results and errors, word for word, so that a client
// library can't tell it from api.telegram.org.
//
// A call goes through these steps, in this order:
//
//  1. the token, the method and the parameters are read;
//  2. the fault rules decide whether the call goes wrong, and how;
//  3. the parameters are checked against the world, as the Bot API server does
//     before it asks Telegram;
//  4. flood control lets the call through, keeps it waiting, or refuses it;
//  5. the call takes effect and is written to the log of calls, as one step, so
//     the log has the order of the effects;
//  6. the answer leaves.
//
// A call whose client leaves during step 4 is carried out all the same, as on
// Telegram. That is what makes the outcome of a call that timed out unknown.
package botapi
