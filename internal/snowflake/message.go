package snowflake

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
)

// cleaned returns the driver's error with a text without values: Snowflake's messages
// quote the value that it can't convert, and errors go to logs, journal and mails. The
// error number and the SQL state stay.
func cleaned(err error, statement string) error {
	var answer *sf.SnowflakeError
	if !errors.As(err, &answer) {
		return fault.Cleaned(err, "")
	}
	whole := answer.Error()
	message := answer.Message
	if len(answer.MessageArgs) > 0 {
		message = fmt.Sprintf(message, answer.MessageArgs...)
	}
	text := strings.TrimSuffix(whole, message) + cleanMessage(message, statement)
	if outer := err.Error(); strings.HasSuffix(outer, whole) {
		text = strings.TrimSuffix(outer, whole) + text
	}
	return fault.WithText(err, text)
}

// cleanMessage returns Snowflake's message without the values of rows. Apart from
// the words that fault.Clean keeps, these parts stay:
//   - A whole message of nameForms, with its names.
//   - Table and column of a failed INSERT or UPDATE.
//   - Line and position in the statement, of a compilation error.
//   - File, line, character, row and column of an error of COPY.
//
// The statement is firn's own text, without bound values.
func cleanMessage(message, statement string) string {
	message = fault.OneLine(message)
	if isNameForm(message) {
		return message
	}
	position := positionForm.FindString(message)
	body, column := cutColumn(message[len(position):])
	body, place := cutPlace(body, statement)
	return position + fault.Clean(body, statement) + column + place
}

// nameForms are the messages that quote names of objects of the account, and no value.
// A form matches whole messages only, so no value can be before or after the name.
//
// Snowflake documents few messages. The forms are from the driver's source, from
// reports of users and from the table in docs/runbook.md.
var nameForms = func() []*regexp.Regexp {
	const (
		start = `^(\d{6} \([0-9A-Z]{5}\): )?(SQL (compilation|access control) error: ?(error line \d{1,4} at position \d{1,6} )?)?`
		name  = `'?[A-Za-z0-9_.$"~@-]+'?`
		kind  = `(Object|Table|View|Schema|Database|Stage|Sequence|Warehouse|Role|User|Integration|File format)`
	)
	var forms []*regexp.Regexp
	for _, text := range []string{
		kind + ` ` + name + ` does not exist or not authorized\.?( Cannot perform operation\.)?`,
		kind + ` ` + name + ` specified in the connect string does not exist or not authorized\.?`,
		`invalid identifier ` + name,
		`Insufficient privileges to operate on [a-z ]{1,30} ` + name + `\.?`,
		`Warehouse ` + name + ` cannot be resumed because resource monitor ` + name + ` has exceeded its quota\.?`,
		`JWT token is invalid\. \[[0-9a-f-]{36}\]`,
		`Incoming request with IP/Token [0-9a-fA-F.:]{3,45} is not allowed to access Snowflake\.?`,
		`Statement reached its statement or warehouse timeout of \d{1,6} second\(s\) and was cancell?ed\.?`,
		`Statement was aborted because the number of waiters for this lock exceeds the \d{1,3} statements limit\.?`,
		`Actual statement count \d{1,6} did not match the desired statement count \d{1,6}\.?`,
		`Failure using stage area\. Cause: \[Access Denied \(Status Code: \d{3}; Error Code: [A-Za-z]{1,40}\)\]`,
		`failed to [a-zA-Z ]{2,60}\. HTTP: \d{3}, URL: https?://[A-Za-z0-9._:/?&=%-]+`,
		`service is unavailable\. check your connectivity\. you may need a proxy server\. HTTP: \d{3}, URL: https?://[A-Za-z0-9._:/?&=%-]+`,
	} {
		forms = append(forms, regexp.MustCompile(start+text+`$`))
	}
	return forms
}()

func isNameForm(message string) bool {
	for _, form := range nameForms {
		if form.MatchString(message) {
			return true
		}
	}
	return false
}

// positionForm is the start of the message of a compilation error.
var positionForm = regexp.MustCompile(`^SQL compilation error: (syntax )?error line \d{1,4} at position \d{1,6} `)

// columnForm is the start of the message of a failed INSERT or UPDATE.
var columnForm = regexp.MustCompile(`^DML operation to table ([A-Za-z0-9_.$]+) failed on column ([A-Za-z0-9_$]+) with error: `)

// cutColumn cuts table and column from the start of a message. The start is Snowflake's
// own text: a value can only follow.
func cutColumn(message string) (body, column string) {
	found := columnForm.FindStringSubmatch(message)
	if found == nil {
		return message, ""
	}
	return message[len(found[0]):], fmt.Sprintf(" (table %s, column %s)", found[1], found[2])
}

var (
	// placeForm is the end of an error of COPY: the place of the value.
	placeForm = regexp.MustCompile(`^File '([^']+)', line (\d{1,12}), character (\d{1,12}) Row (\d{1,12})(?: starts at line \d{1,12})?,` +
		` column "[^"]+"\[(?:"([^"]+)":)?(\d{1,5})\](?: If you would like to continue loading .*)?$`)
	columnName = regexp.MustCompile(`^[A-Za-z0-9_$]+$`)
)

// cutPlace cuts the place from the end of an error of COPY. The statement must name the
// file, because a value can have the text of a place too. A value can't know the file's
// name, which has the object's id.
func cutPlace(message, statement string) (body, place string) {
	at := strings.LastIndex(message, "File '")
	if at < 0 {
		return message, ""
	}
	found := placeForm.FindStringSubmatch(message[at:])
	if found == nil || !strings.Contains(statement, "'"+found[1]+"'") {
		return message, ""
	}
	column := "number " + found[6]
	if columnName.MatchString(found[5]) {
		column = found[5]
	}
	return message[:at], fmt.Sprintf(" (file %s, line %s, character %s, row %s, column %s)", found[1], found[2], found[3], found[4], column)
}
