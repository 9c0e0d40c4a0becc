// Package shell quotes words of a command. People paste these commands from mails and
// from the output of firn.
package shell

import "strings"

// plain are the characters without a special meaning in every POSIX shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+"

// Quote returns a text as one word of a POSIX shell.
func Quote(text string) string {
	special := func(r rune) bool { return !strings.ContainsRune(plain, r) }
	if text != "" && strings.IndexFunc(text, special) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
