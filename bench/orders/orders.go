// Package orders makes the file that engines are measured by: orders in CSV,
// one in a hundred broken, the same bytes for the same seed, and an account of
// what an engine must find in it.
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

// FirstID is the order_id of record 0, which doesn't exist: record n has
// FirstID + n.
const FirstID = 1_000_000_000

const header = "order_id,customer_id,ordered_at,amount,quantity,status,country,is_gift,ship_date,note\n"

// brokenEvery is how many rows there are to a broken one, on average.
const brokenEvery = 100

// Summary is what is in a file.
type Summary struct {
	Rows     int64 `json:"rows"`
	Rejected int64 `json:"rejected"`
	// ByRule counts the rejected rows by the rule of the contract that they
	// break first.
	ByRule map[string]int64 `json:"by_rule"`
	Bytes  int64            `json:"bytes"`
	// Hash is "sha256:" and hex over the file.
	Hash string `json:"content_hash"`
}

// Write writes rows orders, made of the seed.
func Write(output io.Writer, rows int64, seed uint64) (Summary, error) {
	g := newGenerator(seed)
	hash := sha256.New()
	counter := &counting{output: io.MultiWriter(output, hash)}
	buffered := bufio.NewWriterSize(counter, 1<<20)
	account := Summary{Rows: rows, ByRule: make(map[string]int64)}
	if _, err := buffered.WriteString(header); err != nil {
		return Summary{}, fmt.Errorf("write orders: %w", err)
	}
	for n := int64(1); n <= rows; n++ {
		line, rule := g.next(n)
		if rule != "" {
			account.Rejected++
			account.ByRule[rule]++
		}
		if _, err := buffered.Write(line); err != nil {
			return Summary{}, fmt.Errorf("write orders: %w", err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return Summary{}, fmt.Errorf("write orders: %w", err)
	}
	account.Bytes, account.Hash = counter.count, "sha256:"+hex.EncodeToString(hash.Sum(nil))
	return account, nil
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

// generator makes one line after the other in a buffer of its own.
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

// next returns the line of record n, valid until the next call, and the rule
// that it breaks, if it breaks one.
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

// The places of the columns.
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

// fill makes the fields of a good row. Half of the orders have no ship_date.
func (g *generator) fill(n int64) {
	for len(g.fields) < columns {
		g.fields = append(g.fields, nil)
	}
	g.fields = g.fields[:columns]
	bits := g.random.Uint64()
	take := func(count uint) int {
		taken := bits & (1<<count - 1)
		bits >>= count
		return int(taken)
	}
	f := g.fields
	f[orderID] = strconv.AppendInt(f[orderID][:0], FirstID+n, 10)
	f[customerID] = appendPadded(append(f[customerID][:0], 'C'), take(26), 8)
	f[amount] = appendPadded(append(strconv.AppendInt(f[amount][:0], int64(take(11)), 10), '.'), take(6), 2)
	f[quantity] = strconv.AppendInt(f[quantity][:0], int64(1+take(6)), 10)
	f[isGift] = strconv.AppendBool(f[isGift][:0], take(1) == 1)
	f[country] = append(f[country][:0], countries[take(3)]...)
	f[status] = append(f[status][:0], statuses[take(8)%len(statuses)]...)
	bits = g.random.Uint64()
	f[orderedAt] = append(f[orderedAt][:0], g.pools.times[take(16)]...)
	f[note] = append(f[note][:0], g.pools.notes[take(16)]...)
	f[shipDate] = f[shipDate][:0]
	if take(1) == 1 {
		f[shipDate] = append(f[shipDate], g.pools.days[take(9)]...)
	}
}

// appendPadded appends a number with leading zeros.
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
