package warehouse

import (
	"encoding/json"
	"fmt"

	"github.com/firn-data/firn/internal/load"
)

// unfolded is a bound list as rows: its one bind is what folded makes, and each
// element is the row's VALUE (docs.snowflake.com, sql-reference/functions/flatten).
//
// So a statement has one text and one bind for one object and for a thousand.
// Twenty-two columns of a thousand ledger rows would be 22,000 binds. A bound
// value counts towards the megabyte of a statement's text that Snowflake
// recommends not to exceed, compressed; a larger one runs, but can't be run
// again from the history (user-guide/query-size-limits). A thousand ledger rows
// are about 700 KB before compression.
const unfolded = "table(flatten(input => parse_json(?)))"

// amongKeys holds for the rows of the keys that foldedKeys makes a list of. IN
// with a subquery may stand anywhere in a WHERE clause
// (user-guide/querying-subqueries).
const amongKeys = "(bucket, key) in (select value[0]::varchar, value[1]::varchar from " + unfolded + ")"

// among holds for the rows whose column is in the list.
func among(column string) string {
	return column + " in (select value::varchar from " + unfolded + ")"
}

// folded is a list as the bind of unfolded.
func folded[T any](list []T) (string, error) {
	text, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("bind list: %w", err)
	}
	return string(text), nil
}

func foldedKeys(keys []load.Key) (string, error) {
	pairs := make([][2]string, len(keys))
	for i, key := range keys {
		pairs[i] = [2]string{key.Bucket, key.Name}
	}
	return folded(pairs)
}
