package roster

import (
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// checkHours says what is wrong with the ranges of a bot's active hours.
func (v *validator) checkHours(ranges []string, at string) {
	for i, text := range ranges {
		if _, err := hours.Parse(text); err != nil {
			v.add(fmt.Sprintf("%s.active_hours[%d]", at, i), schema.Quote(text),
				"HH:MM-HH:MM, such as 08:00-23:30; 22:00-02:00 crosses midnight")
		}
	}
}
