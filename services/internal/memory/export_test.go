package memory

// ClaimChat is the statement that looks for a chat to be searched.
const ClaimChat = claimChat
