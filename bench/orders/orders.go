// Package orders writes the input file of the benchmark: orders in CSV, with one broken
// row in a hundred. The same seed gives the same bytes. A summary has the results that
// an engine must report for the file.
package orders

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// FirstID is the base of the order ids: record n has the order_id FirstID + n. The
// first record is 1.
const FirstID = 1_000_000_000

const header = "order_id,customer_id,ordered_at,amount,quantity,status,country,is_gift,ship_date,note\n"

// brokenEvery is the average number of rows per broken row.
const brokenEvery = 100

// Summary holds the counts of a file.
type Summary struct {
	Rows     int64 `json:"rows"`
	Rejected int64 `json:"rejected"`
	// ByRule counts the rejected rows by their first broken rule.
	ByRule map[string]int64 `json:"by_rule"`
	Bytes  int64            `json:"bytes"`
	// Hash is "sha256:" and the hash of the file in hex.
	Hash string `json:"content_hash"`
}

// Write writes a file with the given number of rows. The content depends on the seed.
func Write(output io.Writer, rows int64, seed uint64) (Summary, error) {
	g := newGenerator(seed)
	hash := sha256.New()
	counter := &counting{output: io.MultiWriter(output, hash)}
	buffered := bufio.NewWriterSize(counter, 1<<20)
	summary := Summary{Rows: rows, ByRule: make(map[string]int64)}
	if _, err := buffered.WriteString(header); err != nil {
		return Summary{}, fmt.Errorf("write orders: %w", err)
	}
	for n := int64(1); n <= rows; n++ {
		line, rule := g.next(n)
		if rule != "" {
			summary.Rejected++
			summary.ByRule[rule]++
		}
		if _, err := buffered.Write(line); err != nil {
			return Summary{}, fmt.Errorf("write orders: %w", err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return Summary{}, fmt.Errorf("write orders: %w", err)
	}
	summary.Bytes, summary.Hash = counter.count, "sha256:"+hex.EncodeToString(hash.Sum(nil))
	return summary, nil
}

type counting struct {
	output io.Writer
	count  int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.output.Write(p)
	c.count += int64(n)
	return n, err
}

// generator builds the lines in a reused buffer.
type generator struct {
	random *rand.Rand
	pools  pools
	fields [][]byte
	line   []byte
}

func newGenerator(seed uint64) *generator {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the same seed must give the same file
	return &generator{random: random, pools: newPools(random), fields: make([][]byte, 0, columns+1)}
}

// next returns the line of record n, valid until the next call, and its broken rule.
// The rule is empty for a good row.
func (g *generator) next(n int64) (line []byte, rule string) {
	g.fill(n)
	if g.random.IntN(brokenEvery) == 0 {
		b := brokenRows[g.random.IntN(len(brokenRows))]
		g.fields, rule = b.apply(g.fields), b.rule
	}
	g.line = g.line[:0]
	for i, field := range g.fields {
		if i > 0 {
			g.line = append(g.line, ',')
		}
		g.line = append(g.line, field...)
	}
	g.line = append(g.line, '\n')
	return g.line, rule
}

// The positions of the columns.
const (
	orderID = iota
	customerID
	orderedAt
	amount
	quantity
	status
	country
	isGift
	shipDate
	note
	columns
)

// fill sets the fields of a good row. Half of the orders have no ship_date.
func (g *generator) fill(n int64) {
	for len(g.fields) < columns {
		g.fields = append(g.fields, nil)
	}
	g.fields = g.fields[:columns]
	bits := g.random.Uint64()
	next := func(count uint) int {
		value := bits & (1<<count - 1)
		bits >>= count
		return int(value)
	}
	f := g.fields
	f[orderID] = strconv.AppendInt(f[orderID][:0], FirstID+n, 10)
	f[customerID] = appendPadded(append(f[customerID][:0], 'C'), next(26), 8)
	f[amount] = appendPadded(append(strconv.AppendInt(f[amount][:0], int64(next(11)), 10), '.'), next(6), 2)
	f[quantity] = strconv.AppendInt(f[quantity][:0], int64(1+next(6)), 10)
	f[isGift] = strconv.AppendBool(f[isGift][:0], next(1) == 1)
	f[country] = append(f[country][:0], countries[next(3)]...)
	f[status] = append(f[status][:0], statuses[next(8)%len(statuses)]...)
	bits = g.random.Uint64()
	f[orderedAt] = append(f[orderedAt][:0], g.pools.times[next(16)]...)
	f[note] = append(f[note][:0], g.pools.notes[next(16)]...)
	f[shipDate] = f[shipDate][:0]
	if next(1) == 1 {
		f[shipDate] = append(f[shipDate], g.pools.days[next(9)]...)
	}
}

// appendPadded appends a number with leading zeros to the width digits.
func appendPadded(to []byte, number, digits int) []byte {
	for unit := pow10(digits - 1); unit > 0; unit /= 10 {
		to = append(to, byte('0'+number/unit%10))
	}
	return to
}

func pow10(exponent int) int {
	power := 1
	for range exponent {
		power *= 10
	}
	return power
}
