package parquetfile

import (
	"encoding/binary"
	"math/bits"
)

// dictionaryLimits bound a dictionary, and with it the memory of a column.
type dictionaryLimits struct{ entries, bytes int }

// A dictionary is given up after trialValues values if more than 4 of 5 of the
// last of them were new: it would grow nearly as fast as the column.
const (
	trialValues = 32 << 10
	trialTail   = 8 << 10
)

// dictionaryTrial tells whether a dictionary pays.
type dictionaryTrial struct {
	values int // seen so far
	// where the tail began
	tailValues, tailEntries int
	over                    bool
}

// fails is to be called before each batch of values. It reports once, after
// the trial, whether too many values of its tail were new.
func (t *dictionaryTrial) fails(entries, coming int) bool {
	if t.over {
		return false
	}
	if t.values >= trialValues {
		t.over = true
		return 5*(entries-t.tailEntries) > 4*(t.values-t.tailValues)
	}
	if t.values < trialValues-trialTail {
		t.tailValues, t.tailEntries = t.values, entries
	}
	t.values += coming
	return false
}

// repeats reports whether the values of a page are worth a dictionary: at least
// 1 of 3 stands there again.
func repeats(entries, values int) bool { return 3*entries <= 2*values }

// textDictionary numbers texts in the order in which they come.
type textDictionary struct {
	limits dictionaryLimits
	// page is the dictionary page's content: each text behind its length.
	page []byte
	// ends are the ends of the texts in the page.
	ends  []uint32
	slots []textSlot
	shift int
	// texts are looked up together, lookups is how far each has come.
	texts   [][]byte
	lookups []lookup
	// touched makes the processor fetch texts before they are needed.
	touched byte
}

// lookup is the hash of a text, and the slot that it leads to.
type lookup struct {
	hash uint64
	slot textSlot
}

// textSlot is free if its number, which counts from 1, is zero. tag is a part
// of the text's hash; end is where the text ends in the page.
type textSlot struct{ tag, number, end, length uint32 }

const (
	firstSlots = 1 << 10
	lengthSize = 4
)

// stride is how many values are looked up together: their slots and texts are
// fetched in loops of their own, so that the processor waits for memory once
// and not for each.
const stride = 256

func (d *textDictionary) reset() {
	d.page, d.ends = d.page[:0], d.ends[:0]
	if d.slots == nil {
		d.lookups = make([]lookup, stride)
		d.grow(firstSlots)
		return
	}
	clear(d.slots)
}

func (d *textDictionary) full() bool {
	return len(d.ends) >= d.limits.entries || len(d.page) >= d.limits.bytes
}

func (d *textDictionary) text(number uint32) []byte {
	start := uint32(0)
	if number > 0 {
		start = d.ends[number-1]
	}
	return d.page[start+lengthSize : d.ends[number]]
}

// add puts a text among those that are looked up next.
func (d *textDictionary) add(dst []uint32, text []byte) []uint32 {
	d.texts = append(d.texts, text)
	if len(d.texts) < stride {
		return dst
	}
	return d.flush(dst)
}

// flush appends the numbers of the texts that were added, and gives numbers to
// those that have none.
func (d *textDictionary) flush(dst []uint32) []uint32 {
	lookups := d.lookups[:len(d.texts)]
	for i, text := range d.texts {
		h := hashText(text)
		lookups[i] = lookup{h, d.slots[h>>d.shift]}
	}
	for i := range lookups {
		if slot := &lookups[i].slot; slot.number > 0 {
			d.touched += d.page[slot.end-1]
		}
	}
	for i, text := range d.texts {
		l := &lookups[i]
		if d.matches(&l.slot, uint32(l.hash), text) {
			dst = append(dst, l.slot.number-1)
		} else {
			dst = append(dst, d.number(l.hash, text))
		}
	}
	d.texts = d.texts[:0]
	return dst
}

// matches reports whether the slot is the text's.
func (d *textDictionary) matches(s *textSlot, tag uint32, text []byte) bool {
	return s.tag == tag && s.number > 0 && int(s.length) == len(text) && string(d.page[s.end-s.length:s.end]) == string(text)
}

// number returns the number of a text by its hash, and gives it one if it has
// none.
func (d *textDictionary) number(h uint64, text []byte) uint32 {
	mask := len(d.slots) - 1
	for at := int(h >> d.shift); ; at = (at + 1) & mask {
		slot := &d.slots[at]
		if slot.number == 0 {
			return d.insert(slot, uint32(h), text)
		}
		if d.matches(slot, uint32(h), text) {
			return slot.number - 1
		}
	}
}

// insert gives the next number to a text.
func (d *textDictionary) insert(slot *textSlot, tag uint32, text []byte) uint32 {
	d.page = binary.LittleEndian.AppendUint32(d.page, uint32(len(text)))
	d.page = append(d.page, text...)
	end := uint32(len(d.page))
	d.ends = append(d.ends, end)
	number := uint32(len(d.ends))
	*slot = textSlot{tag: tag, number: number, end: end, length: uint32(len(text))}
	if 2*len(d.ends) > len(d.slots) {
		d.grow(2 * len(d.slots))
	}
	return number - 1
}

// grow makes a table of the size, a power of two.
func (d *textDictionary) grow(size int) {
	old := d.slots
	d.slots = make([]textSlot, size)
	d.shift = 64 - bits.Len(uint(size-1))
	for _, slot := range old {
		if slot.number == 0 {
			continue
		}
		at := int(hashText(d.text(slot.number-1)) >> d.shift)
		for d.slots[at].number != 0 {
			at = (at + 1) & (size - 1)
		}
		d.slots[at] = slot
	}
}

// Odd numbers with about as many ones as zeros.
const (
	factor1 = 0x9E3779B97F4A7C15
	factor2 = 0xD6E8FEB86659FD93
)

// hashText mixes eight bytes at once. The values of a file choose nothing but
// their own file's speed, so the hash needs no secret.
func hashText(text []byte) uint64 {
	const word = 8
	h := uint64(len(text)) * factor1
	if len(text) <= word {
		return mix(firstBytes(text)^factor2, h^factor1)
	}
	last := binary.LittleEndian.Uint64(text[len(text)-word:])
	for len(text) > 2*word {
		h = mix(binary.LittleEndian.Uint64(text)^factor1, binary.LittleEndian.Uint64(text[word:])^h)
		text = text[2*word:]
	}
	if len(text) > word {
		h ^= binary.LittleEndian.Uint64(text)
	} else {
		h *= factor2
	}
	return mix(h^factor2, last^factor1)
}

// firstBytes returns a text of up to eight bytes as a number.
func firstBytes(text []byte) uint64 {
	const word = 8
	if cap(text) >= word {
		return binary.LittleEndian.Uint64(text[:word]) & (1<<(8*len(text)) - 1)
	}
	var first uint64
	for i, b := range text {
		first |= uint64(b) << (8 * i)
	}
	return first
}

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// numberDictionary gives numbers to values, themselves numbers, in the order in
// which they come.
type numberDictionary struct {
	limits  dictionaryLimits
	numbers []int64
	slots   []numberSlot
	shift   int
}

// numberSlot is free if its number, which counts from 1, is zero.
type numberSlot struct {
	value  int64
	number uint32
}

func (d *numberDictionary) reset() {
	d.numbers = d.numbers[:0]
	if d.slots == nil {
		d.grow(firstSlots)
		return
	}
	clear(d.slots)
}

func (d *numberDictionary) full() bool { return len(d.numbers) >= d.limits.entries }

// numberAll appends the values' numbers, and gives numbers to those that have
// none.
func (d *numberDictionary) numberAll(dst []uint32, values []int64) []uint32 {
	var found [stride]numberSlot
	for len(values) > 0 {
		part := values[:min(stride, len(values))]
		values = values[len(part):]
		for i, value := range part {
			found[i] = d.slots[d.place(value)]
		}
		for i, value := range part {
			if found[i].value == value && found[i].number > 0 {
				dst = append(dst, found[i].number-1)
				continue
			}
			dst = append(dst, d.number(value))
		}
	}
	return dst
}

// number returns the value's number, and gives it one if it has none.
func (d *numberDictionary) number(value int64) uint32 {
	mask := len(d.slots) - 1
	for at := d.place(value); ; at = (at + 1) & mask {
		slot := &d.slots[at]
		switch {
		case slot.number == 0:
			return d.add(slot, value)
		case slot.value == value:
			return slot.number - 1
		}
	}
}

func (d *numberDictionary) add(slot *numberSlot, value int64) uint32 {
	d.numbers = append(d.numbers, value)
	number := uint32(len(d.numbers))
	*slot = numberSlot{value: value, number: number}
	if 2*len(d.numbers) > len(d.slots) {
		d.grow(2 * len(d.slots))
	}
	return number - 1
}

func (d *numberDictionary) place(value int64) int {
	return int(mix(uint64(value)^factor1, factor2) >> d.shift)
}

func (d *numberDictionary) grow(size int) {
	d.slots = make([]numberSlot, size)
	d.shift = 64 - bits.Len(uint(size-1))
	for i, value := range d.numbers {
		at := d.place(value)
		for d.slots[at].number != 0 {
			at = (at + 1) & (size - 1)
		}
		d.slots[at] = numberSlot{value: value, number: uint32(i + 1)}
	}
}
