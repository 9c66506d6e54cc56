package botapi

import (
	"encoding/json"
	"regexp"
	"slices"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// chatFull is a chat with what a bot can find out about it.
type chatFull struct {
	chat

	AllMembersAreAdministrators *bool           `json:"all_members_are_administrators,omitempty"`
	Permissions                 *permissions    `json:"permissions,omitempty"`
	AvailableReactions          *[]reactionType `json:"available_reactions,omitempty"`
	MaxReactionCount            int             `json:"max_reaction_count"`
	AccentColorID               int             `json:"accent_color_id"`
}

type permissions struct {
	CanSendMessages       bool `json:"can_send_messages"`
	CanSendOtherMessages  bool `json:"can_send_other_messages"`
	CanAddWebPagePreviews bool `json:"can_add_web_page_previews"`
	CanReactToMessages    bool `json:"can_react_to_messages"`
	CanChangeInfo         bool `json:"can_change_info"`
	CanInviteUsers        bool `json:"can_invite_users"`
	CanPinMessages        bool `json:"can_pin_messages"`
}

// member is an account in a chat, with the fields that its status has.
type member struct {
	User        *user      `json:"user"`
	Status      world.Role `json:"status"`
	CanBeEdited *bool      `json:"can_be_edited,omitempty"`
	IsAnonymous *bool      `json:"is_anonymous,omitempty"`
	IsMember    *bool      `json:"is_member,omitempty"`
	UntilDate   *int64     `json:"until_date,omitempty"`

	CanManageChat      *bool `json:"can_manage_chat,omitempty"`
	CanDeleteMessages  *bool `json:"can_delete_messages,omitempty"`
	CanRestrictMembers *bool `json:"can_restrict_members,omitempty"`
	CanSendMessages    *bool `json:"can_send_messages,omitempty"`
}

func memberOf(m world.Member) member {
	shown := member{User: userOf(m.Account), Status: m.Role}
	switch m.Role {
	case world.Creator:
		shown.IsAnonymous = new(false)
	case world.Administrator:
		shown.CanBeEdited, shown.IsAnonymous = new(false), new(false)
		shown.CanManageChat, shown.CanDeleteMessages, shown.CanRestrictMembers = new(true), new(true), new(true)
	case world.Restricted:
		shown.IsMember, shown.CanSendMessages, shown.UntilDate = new(true), new(false), new(int64(0))
	case world.Kicked:
		shown.UntilDate = new(int64(0))
	case world.Ordinary, world.Left:
	}
	return shown
}

func (a *API) getMe(c *call) (effect, error) { return always(done(meOf(c.bot), none)) }

// signOff accepts logOut and close, which only matter for moving a bot between servers.
func (a *API) signOff(*call) (effect, error) { return always(done(true, none)) }

// inChat reads the chat and who is or was in it.
func (a *API) inChat(c *call) (world.Chat, []world.Member, error) {
	id, err := c.params.chat()
	if err != nil {
		return world.Chat{}, nil, err
	}
	return a.World.ChatFor(c.bot.ID, id)
}

func (a *API) getChat(c *call) (effect, error) {
	found, _, err := a.inChat(c)
	if err != nil {
		return nil, err
	}
	full := chatFull{chat: chatOf(found), MaxReactionCount: world.MaxReactionKinds}
	if found.Kind != world.Private {
		full.Permissions = &permissions{
			CanSendMessages: !found.ReadOnly, CanSendOtherMessages: !found.ReadOnly,
			CanAddWebPagePreviews: !found.ReadOnly, CanReactToMessages: true, CanInviteUsers: true,
		}
	}
	if found.Kind == world.Group {
		full.AllMembersAreAdministrators = new(false)
	}
	// Left out means that all are allowed.
	if found.Reactions != nil {
		allowed := []reactionType{}
		for _, emoji := range *found.Reactions {
			allowed = append(allowed, reactionsOf(emoji)...)
		}
		full.AvailableReactions = &allowed
	}
	return always(done(full, none))
}

func (a *API) getChatMember(c *call) (effect, error) {
	_, members, err := a.inChat(c)
	if err != nil {
		return nil, err
	}
	id := c.params.integer("user_id")
	if id <= 0 {
		return nil, badRequest("invalid user_id specified")
	}
	for _, m := range members {
		if m.ID == id {
			return always(done(memberOf(m), none))
		}
	}
	account, ok := a.World.AccountByID(id)
	if !ok {
		return nil, badRequest("user not found")
	}
	return always(done(memberOf(world.Member{Account: account, Role: world.Left}), none))
}

func (a *API) getChatMemberCount(c *call) (effect, error) {
	_, members, err := a.inChat(c)
	if err != nil {
		return nil, err
	}
	present := slices.DeleteFunc(members, func(m world.Member) bool { return m.Role == world.Left || m.Role == world.Kicked })
	return always(done(len(present), none))
}

// getChatAdministrators leaves other bots out unless they are asked for.
func (a *API) getChatAdministrators(c *call) (effect, error) {
	_, members, err := a.inChat(c)
	if err != nil {
		return nil, err
	}
	admins := []member{}
	for _, m := range members {
		visible := !m.Bot || m.ID == c.bot.ID || c.params.flag("return_bots")
		if visible && (m.Role == world.Creator || m.Role == world.Administrator) {
			admins = append(admins, memberOf(m))
		}
	}
	return always(done(admins, none))
}

func (a *API) leaveChat(c *call) (effect, error) {
	id, err := c.params.chat()
	if err != nil {
		return nil, err
	}
	return func() (answer, error) {
		if err := a.World.Leave(c.cause(), c.bot.ID, id); err != nil {
			return answer{}, err
		}
		return done(true, left), nil
	}, nil
}

const (
	maxCommands           = 100
	maxCommandDescription = 256
)

type command struct {
	Command     string `json:"command"`
	Description string `json:"description"`
}

var commandPattern = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// scope names a menu of commands: each scope and language has its own.
func (p params) scope() string { return p.text("scope") + "|" + p.text("language_code") }

func (a *API) getMyCommands(c *call) (effect, error) {
	menu := a.World.Commands(c.bot.ID, c.params.scope())
	if menu == nil {
		menu = json.RawMessage("[]")
	}
	return always(done(menu, none))
}

func (a *API) setMyCommands(c *call) (effect, error) {
	var menu []command
	if _, err := c.params.structure("commands", &menu); err != nil {
		return nil, badRequest("can't parse commands JSON object")
	}
	if len(menu) > maxCommands {
		return nil, badRequest("BOT_COMMANDS_TOO_MUCH")
	}
	for _, entry := range menu {
		if !commandPattern.MatchString(entry.Command) {
			return nil, badRequest("BOT_COMMAND_INVALID")
		}
		if entry.Description == "" || len([]rune(entry.Description)) > maxCommandDescription {
			return nil, badRequest("BOT_COMMAND_DESCRIPTION_INVALID")
		}
	}
	return a.putCommands(c, menu)
}

func (a *API) deleteMyCommands(c *call) (effect, error) { return a.putCommands(c, nil) }

func (a *API) putCommands(c *call, menu []command) (effect, error) {
	var list json.RawMessage
	if len(menu) > 0 {
		var err error
		if list, err = json.Marshal(menu); err != nil {
			return nil, badRequest("can't parse commands JSON object")
		}
	}
	return func() (answer, error) {
		if err := a.World.SetCommands(c.bot.ID, c.params.scope(), list); err != nil {
			return answer{}, err
		}
		return done(true, set), nil
	}, nil
}
