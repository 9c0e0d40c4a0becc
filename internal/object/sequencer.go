package object

import "strings"

// sequencerWidth is wider than all known sequencers of S3 (16 and 18 digits), so that
// padded values compare as text.
const sequencerWidth = 64

// NormalizeSequencer returns a sequencer in a form that compares as text: a later
// version of a key has the greater text. The form has lower case, no leading zeros and
// padding on the left. An empty sequencer stays empty.
//
// AWS: "left-pad the shorter value with zeros, and then do a lexicographical
// comparison" (AmazonS3 userguide, notification-content-structure).
func NormalizeSequencer(sequencer string) string {
	if sequencer == "" {
		return ""
	}
	digits := strings.TrimLeft(strings.ToLower(sequencer), "0")
	if len(digits) >= sequencerWidth {
		return digits
	}
	return strings.Repeat("0", sequencerWidth-len(digits)) + digits
}
