// Package subject holds the names on the bus: streams, subjects, message ids
// and the partition of a chat. Every service takes them from here, so that a
// subject is spelt in one place only.
package subject

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// The streams.
const (
	Turns      = "TURNS"
	Deliveries = "DELIVERIES"
	Receipts   = "RECEIPTS"
	Updates    = "UPDATES"
	Dead       = "DEAD"
)

// Partitions is how many partitions the chats are spread over. It is fixed when
// the streams are made: another number would send the messages of one chat
// through two lanes.
const Partitions = 64

// Partition is the partition of a chat, from 0 to Partitions-1. It is stable
// over releases and machines.
func Partition(chatID int64) int {
	h := fnv.New64a()
	// Write to a hash never fails.
	_, _ = h.Write(strconv.AppendInt(nil, chatID, 10))
	sum := h.Sum64()
	// FNV's low bits alone spread short decimal strings unevenly.
	return int((sum ^ sum>>32) % Partitions)
}

// Turn is the subject of a chat's turns.
func Turn(chatID int64) string {
	return fmt.Sprintf("turn.%d.%d", Partition(chatID), chatID)
}

// Delivery is the subject of a chat's deliveries of one action. An unknown
// action gives an error.
func Delivery(action chorusv1.Action, chatID int64) (string, error) {
	lane, err := lane(action)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("delivery.%s.%d.%d", lane, Partition(chatID), chatID), nil
}

// Receipt is the subject of a chat's receipts of one outcome.
func Receipt(outcome chorusv1.Outcome, chatID int64) string {
	return ReceiptNamed(OutcomeName(outcome), chatID)
}

// ReceiptNamed is Receipt for an outcome's name.
func ReceiptNamed(outcome string, chatID int64) string {
	return fmt.Sprintf("receipt.%s.%d", outcome, chatID)
}

// Update is the subject of what is heard in a chat.
func Update(chatID int64) string { return fmt.Sprintf("update.%d", chatID) }

// UpdateID is the identity of an update in text, and its message id on the bus.
func UpdateID(chatID, number int64) string { return fmt.Sprintf("%d-%d", chatID, number) }

// DeadLetter is the subject of a chat's dead letters from one stream; chat 0 is
// for messages whose chat can't be told.
func DeadLetter(stream string, chatID int64) string {
	return fmt.Sprintf("dead.%s.%d", strings.ToLower(stream), chatID)
}

// Chat reads the chat off the end of a subject; 0 where there is none.
func Chat(subject string) int64 {
	id, err := strconv.ParseInt(subject[strings.LastIndexByte(subject, '.')+1:], 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// All is the filter of everything that a stream holds.
func All(stream string) string {
	switch stream {
	case Turns:
		return "turn.>"
	case Deliveries:
		return "delivery.>"
	case Receipts:
		return "receipt.>"
	case Updates:
		return "update.>"
	case Dead:
		return "dead.>"
	}
	return ""
}

// TurnPartition filters one partition of the turns.
func TurnPartition(partition int) string { return fmt.Sprintf("turn.%d.>", partition) }

// DeliveryPartition filters one partition of the deliveries of one action.
func DeliveryPartition(action chorusv1.Action, partition int) (string, error) {
	lane, err := lane(action)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("delivery.%s.%d.>", lane, partition), nil
}

// TurnID is the identity of a turn in text, and its message id on the bus.
func TurnID(id *chorusv1.TurnId) string {
	return fmt.Sprintf("%d-%d", id.GetChatId(), id.GetNumber())
}

// ParseTurnID reads what TurnID wrote.
func ParseTurnID(s string) (*chorusv1.TurnId, error) {
	chat, number, ok := strings.Cut(s, "-")
	c, errChat := strconv.ParseInt(chat, 10, 64)
	n, errNumber := strconv.ParseInt(number, 10, 64)
	if !ok || errChat != nil || errNumber != nil || c < 1 || n < 1 {
		return nil, fmt.Errorf("turn id %q: want CHAT-NUMBER, two whole numbers from 1, such as 3-17", s)
	}
	return &chorusv1.TurnId{ChatId: c, Number: n}, nil
}

// MessageID is the message id of a turn's nth publication, from 0. Later ones
// have a suffix, since the bus would take the same id for a duplicate.
func MessageID(id *chorusv1.TurnId, publication int) string {
	if publication == 0 {
		return TurnID(id)
	}
	return fmt.Sprintf("%s.%d", TurnID(id), publication)
}

// IsRepublication tells whether MessageID wrote this id for a publication after
// the first.
func IsRepublication(messageID string) bool { return strings.Contains(messageID, ".") }

// ParseMessageID reads the turn off what MessageID wrote.
func ParseMessageID(s string) (*chorusv1.TurnId, error) {
	turn, _, _ := strings.Cut(s, ".")
	return ParseTurnID(turn)
}

// OutcomeName is the word for an outcome in subjects, tables, metrics and text.
func OutcomeName(o chorusv1.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

// ActionName is the word for an action in tables, metrics and text.
func ActionName(a chorusv1.Action) string {
	return strings.ToLower(strings.TrimPrefix(a.String(), "ACTION_"))
}

// TurnKindName is the word for a turn's kind in tables, metrics and text.
func TurnKindName(k chorusv1.TurnKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "TURN_KIND_"))
}

// ParseAction reads what ActionName wrote.
func ParseAction(name string) (chorusv1.Action, error) {
	for _, a := range []chorusv1.Action{chorusv1.Action_ACTION_SEND_MESSAGE, chorusv1.Action_ACTION_SET_REACTION} {
		if ActionName(a) == name {
			return a, nil
		}
	}
	return chorusv1.Action_ACTION_UNSPECIFIED, fmt.Errorf("action %q: want send_message or set_reaction", name)
}

func lane(action chorusv1.Action) (string, error) {
	switch action {
	case chorusv1.Action_ACTION_SEND_MESSAGE:
		return "message", nil
	case chorusv1.Action_ACTION_SET_REACTION:
		return "reaction", nil
	case chorusv1.Action_ACTION_UNSPECIFIED:
	}
	return "", fmt.Errorf("no subject for action %v", action)
}
