// Package shell writes commands that a person can paste: mails and the
// operator's command name the same ones.
package shell

import "strings"

// plain are the characters that no POSIX shell gives a meaning to.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+"

// Quote returns a text as one word of a POSIX shell.
func Quote(text string) string {
	special := func(r rune) bool { return !strings.ContainsRune(plain, r) }
	if text != "" && strings.IndexFunc(text, special) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
