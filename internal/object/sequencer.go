package object

import "strings"

// sequencerWidth is wider than any sequencer that S3 has been seen to send
// (16 and 18 digits), so that padded values compare as text.
const sequencerWidth = 64

// NormalizeSequencer brings S3's sequencer to one form in which a later version
// of the same key is the greater string: lower case, leading zeros stripped,
// padded on the left. An empty sequencer stays empty.
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
