package fault

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// removed is the text in place of a removed part of a message.
const removed = "…"

// Clean returns a vendor's message without the values of rows: the messages of
// Snowflake, AWS, Glue and HTTP sources quote the value that caused an error.
//
// own is firn's own text of the request, for example the statement or the address of a
// page. A word of own may stay in the message. Bound values don't belong in own. With
// an empty own, the message keeps no names.
//
// The result is one line with these words of the message. Everything else becomes "…".
//   - The words in words.txt, a list of common words in messages.
//   - The words of own with three characters or more, outside quotes, but no numbers.
//   - A quoted name after a word like "file" or "table", if own has the name.
//   - A whole line of own with a slash and eight characters or more, for example the
//     URI of an object.
//   - A name of own with an underscore and eight characters or more, outside quotes, for
//     example a table.
//
// Every other word, every number and every other quoted text can be part of a value. So
// a value outside both lists never stays in a message.
func Clean(message, own string) string {
	return joinRemoved(cleanAround(OneLine(message), own, placesOf(own)))
}

// minPlaceLength keeps short lines of own out of messages.
const minPlaceLength = 8

// placesOf returns the lines of own that name a place: a URI, an address or a path.
func placesOf(own string) []string {
	var places []string
	for line := range strings.Lines(own) {
		if place := OneLine(line); len(place) >= minPlaceLength && strings.Contains(place, "/") {
			places = append(places, place)
		}
	}
	return places
}

// cleanAround keeps the places in a message and cleans the text between the places.
func cleanAround(message, own string, places []string) string {
	for i, place := range places {
		before, after, found := strings.Cut(message, place)
		if found {
			return cleanAround(before, own, places[i+1:]) + place + cleanAround(after, own, places[i:])
		}
	}
	return cleanLine(message, own)
}

// OneLine returns a text as valid UTF-8 on one line.
func OneLine(text string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(text, removed)), " ")
}

// Cleaned returns a vendor's error with a cleaned text. The error err stays in the
// chain. The text has no values of rows, see Clean. Cleaned(nil) is nil.
func Cleaned(err error, own string) error {
	if err == nil {
		return nil
	}
	return WithText(err, cleanedText(err, own))
}

// WithText returns an error with the text and with err in the chain.
func WithText(err error, text string) error { return &cleanedError{text: text, err: err} }

type cleanedError struct {
	text string
	err  error
}

func (e *cleanedError) Error() string { return e.text }

func (e *cleanedError) Unwrap() error { return e.err }

// cleanedText returns the cleaned text of an error. The text around an error of AWS is
// firn's own text and stays. The error of AWS becomes its service, operation, code,
// message, status and request. The text around an error of WithText stays too. The text
// of any other error is cleaned as a whole.
func cleanedText(err error, own string) string {
	var before *cleanedError
	if errors.As(err, &before) {
		return strings.Replace(err.Error(), before.err.Error(), before.text, 1)
	}
	var call interface {
		error
		Service() string
		Operation() string
	}
	if !errors.As(err, &call) {
		return Clean(err.Error(), own)
	}
	outer, inner := err.Error(), call.Error()
	at := strings.LastIndex(outer, inner)
	if at < 0 {
		return describeCall(call, call.Service(), call.Operation(), own)
	}
	return outer[:at] + describeCall(call, call.Service(), call.Operation(), own) + outer[at+len(inner):]
}

// identifier is the form of the ids and codes in the answers of AWS.
var identifier = regexp.MustCompile(`^[A-Za-z0-9._+/=:-]{1,120}$`)

func describeCall(err error, service, operation, own string) string {
	text := service + " " + operation
	var answer interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if errors.As(err, &answer) {
		if identifier.MatchString(answer.ErrorCode()) {
			text += ": " + answer.ErrorCode()
		}
		text += ": " + describeAnswer(answer.ErrorMessage(), own)
	} else if inner := errors.Unwrap(err); inner != nil {
		text += ": " + Clean(inner.Error(), own)
	}
	return text + describeResponse(err)
}

// deniedAction finds the role and the action in IAM's message about a missing grant.
// Both are names of AWS and never values of a row (IAM user guide,
// troubleshoot_access-denied).
var deniedAction = regexp.MustCompile(`(User: arn:aws[a-z-]*:(iam|sts)::[0-9]*:[A-Za-z0-9+=,.@_/-]{1,200} )?` +
	`is not authorized to perform: [a-z0-9-]{2,30}:[A-Z][A-Za-z0-9]{2,60}\b`)

// describeAnswer returns the cleaned message of AWS. Of a message about a missing grant
// only role and action stay, so that a reader knows the grant.
func describeAnswer(message, own string) string {
	if denied := deniedAction.FindString(message); denied != "" {
		return denied
	}
	return Clean(message, own)
}

// describeResponse returns the HTTP status and the id of the request for AWS's support.
func describeResponse(err error) string {
	var status interface{ HTTPStatusCode() int }
	var request interface{ ServiceRequestID() string }
	var parts []string
	if errors.As(err, &status) && status.HTTPStatusCode() > 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", status.HTTPStatusCode()))
	}
	if errors.As(err, &request) && identifier.MatchString(request.ServiceRequestID()) {
		parts = append(parts, "request "+request.ServiceRequestID())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// nameBefore are the words directly before a quoted name, never before a value.
var nameBefore = regexp.MustCompile(`(?i)\b(file|table|view|stage|object|identifier|column|warehouse|role)s? $`)

// quote is a quote that isn't an apostrophe inside a word.
var quote = regexp.MustCompile("(^|[^A-Za-z])['\"`]|['\"`]($|[^A-Za-z])")

// cleanLine removes the text between the first and the last quote, because a value can
// have quotes too, and then all words that don't stay. A quoted name of own after a word
// of nameBefore stays.
func cleanLine(message, own string) string {
	kept := ""
	for {
		first, last := quoteSpan(message)
		if first < 0 {
			return kept + keepWords(message, own)
		}
		name, rest, closed := strings.Cut(message[first+1:], message[first:first+1])
		name = bucketForm.ReplaceAllString(name, "")
		if !closed || !nameBefore.MatchString(message[:first]) || !isOwn(name, own) {
			return kept + keepWords(message[:first]+removed+message[last+1:], own)
		}
		kept += keepWords(message[:first], own) + name
		message = rest
	}
}

// quoteSpan returns the places of the first and the last quote; -1 without a quote.
func quoteSpan(message string) (first, last int) {
	found := quote.FindStringIndex(message)
	if found == nil {
		return -1, -1
	}
	first = found[0] + strings.IndexAny(message[found[0]:found[1]], "'\"`")
	return first, strings.LastIndexAny(message, "'\"`")
}

// bucketForm is the start of the URL of a file.
var bucketForm = regexp.MustCompile(`^s3://[a-z0-9.-]{3,63}/`)

// isOwn reports whether a quoted name is a quoted text or a dotted name of own.
func isOwn(name, own string) bool {
	if strings.Contains(own, "'"+name+"'") {
		return true
	}
	return dottedName.MatchString(name) && strings.Contains(strings.ToLower(own), strings.ToLower(name))
}

var dottedName = regexp.MustCompile(`^[A-Za-z0-9_$]+\.[A-Za-z0-9_$]+$`)

//go:embed words.txt
var wordList string

// commonWords are the words of words.txt, in lower case.
var commonWords = wordsOf(wordList)

// word is a word or a number of a message. Only spaces, ASCII punctuation and "…" are
// separators, so a word can have any other character.
var word = regexp.MustCompile("[^\\s!-/:-@\\[-`{-~…]+")

func wordsOf(text string) map[string]bool {
	words := make(map[string]bool)
	for _, found := range word.FindAllString(text, -1) {
		words[strings.ToLower(found)] = true
	}
	return words
}

// minOwnLength keeps short words and numbers of own out of messages: a value can be one
// letter, too.
const minOwnLength = 3

func longWordsOf(text string) map[string]bool {
	words := wordsOf(text)
	for name := range words {
		if len(name) < minOwnLength || strings.Trim(name, "0123456789") == "" {
			delete(words, name)
		}
	}
	return words
}

// keepWords removes the words outside words.txt and own.
func keepWords(message, own string) string {
	ownWords := longWordsOf(own)
	kept, rest := "", message
	for {
		at := longName.FindStringIndex(rest)
		if at == nil {
			return kept + keepSingleWords(rest, ownWords)
		}
		name := rest[at[0]:at[1]]
		if len(name) < minPlaceLength || !strings.Contains(own, name) {
			name = keepSingleWords(name, ownWords)
		}
		kept += keepSingleWords(rest[:at[0]], ownWords) + name
		rest = rest[at[1]:]
	}
}

// longName is a name with an underscore.
var longName = regexp.MustCompile(`[A-Za-z][A-Za-z0-9$]*_[A-Za-z0-9_$]+`)

// keepSingleWords removes the words outside words.txt and ownWords.
func keepSingleWords(text string, ownWords map[string]bool) string {
	return word.ReplaceAllStringFunc(text, func(found string) string {
		if name := strings.ToLower(found); commonWords[name] || ownWords[name] {
			return found
		}
		return removed
	})
}

// manyRemoved is a sequence of removed parts and the separators between them.
var manyRemoved = regexp.MustCompile(removed + `([^A-Za-z0-9]*` + removed + `)+`)

// joinRemoved joins removed parts next to each other.
func joinRemoved(message string) string {
	return strings.TrimSpace(manyRemoved.ReplaceAllString(message, removed))
}
