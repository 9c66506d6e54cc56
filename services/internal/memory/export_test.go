package memory

// ClaimChat exports the statement that claims a chat.
const ClaimChat = claimChat
