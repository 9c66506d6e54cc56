package journal

// Statements returns the statements by name, with their parameters' types.
func Statements() map[string]string {
	return map[string]string{
		"claim texts": claimTexts, "commit texts": commitTexts, "commit texts and drafts": commitTextsAndDrafts, "due texts": dueTexts, "take texts": takeTexts,
		"claim deliveries": claimDeliveries, "commit deliveries": commitDeliveries, "due deliveries": dueDeliveries, "take deliveries": takeDeliveries,
		"step deliveries": stepDeliveries,
		"lock held":       lockHeld, "read held": readHeld, "approve held": approveHeld, "cut held": cutHeld, "discard held": discardHeld, "rewrite held": rewriteHeld,
		"claim prompts": claimPrompts, "commit prompts": commitPrompts, "due prompts": duePrompts, "take prompts": takePrompts,
	}
}
