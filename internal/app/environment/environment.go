// Package environment decodes environment variables into a struct and reports all
// faults in one error.
package environment

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Lookup returns the value of an environment variable. os.LookupEnv is a Lookup.
type Lookup func(name string) (value string, found bool)

// Decode sets the fields of the struct behind the pointer into. A tag names the
// variable of a field: `env:"NAME"` is required, `env:"NAME,default=VALUE"` has a
// default, `env:"NAME,optional"` may be missing. Fields may be string, int, bool,
// time.Duration and []string (comma-separated). Decode panics for another type. An
// empty variable counts as missing. Embedded structs are decoded too. Fields without a
// tag stay as before. The error joins all faults.
func Decode(lookup Lookup, into any) error {
	target := reflect.ValueOf(into).Elem()
	var faults []error
	for i := range target.NumField() {
		if target.Type().Field(i).Anonymous {
			faults = append(faults, Decode(lookup, target.Field(i).Addr().Interface()))
			continue
		}
		tag, tagged := target.Type().Field(i).Tag.Lookup("env")
		if !tagged {
			continue
		}
		if err := decodeField(lookup, tag, target.Field(i)); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func decodeField(lookup Lookup, tag string, field reflect.Value) error {
	name, option, _ := strings.Cut(tag, ",")
	text, _ := lookup(name)
	if text == "" {
		fallback, hasDefault := strings.CutPrefix(option, "default=")
		switch {
		case hasDefault:
			text = fallback
		case option == "optional":
			return nil
		default:
			return fmt.Errorf("environment variable %s is missing", name)
		}
	}
	if err := set(field, text); err != nil {
		return fmt.Errorf("environment variable %s=%q: %w", name, text, err)
	}
	return nil
}

func set(field reflect.Value, text string) error {
	switch field.Interface().(type) {
	case string:
		field.SetString(text)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a whole number")
		}
		field.SetInt(int64(n))
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("not true or false")
		}
		field.SetBool(b)
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New(`not a duration such as "30s"`)
		}
		field.SetInt(int64(d))
	case []string:
		field.Set(reflect.ValueOf(strings.Split(text, ",")))
	default:
		panic(fmt.Sprintf("environment: fields of type %s are not supported", field.Type()))
	}
	return nil
}
