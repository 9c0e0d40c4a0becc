package parquetfile

import (
	"encoding/binary"
	"math/bits"
)

// dictionaryLimits bound a dictionary and so the memory of a column.
type dictionaryLimits struct{ entries, bytes int }

// After trialValues values, a dictionary is dropped if more than 4 of 5 values in the
// last trialTail values were new. Such a dictionary would grow nearly as fast as the
// column.
const (
	trialValues = 32 << 10
	trialTail   = 8 << 10
)

// dictionaryTrial decides whether a dictionary saves space.
type dictionaryTrial struct {
	values int // number of values so far
	// numbers at the start of the tail
	tailValues, tailEntries int
	over                    bool
}

// fails must be called before each batch of values. After the trial, fails returns true
// once if the tail had too many new values.
func (t *dictionaryTrial) fails(entries, count int) bool {
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
	t.values += count
	return false
}

// repeats reports whether a dictionary saves space for a page: at least 1 of 3 values
// must be a repetition.
func repeats(entries, values int) bool { return 3*entries <= 2*values }

// textDictionary numbers texts in the order of their first use.
type textDictionary struct {
	limits dictionaryLimits
	// page is the content of the dictionary page: for each text its length and its
	// bytes.
	page []byte
	// ends are the offsets of the texts' ends in page.
	ends  []uint32
	slots []textSlot
	shift int
	// texts are the texts of the current lookup. lookups has the state of each text.
	texts   [][]byte
	lookups []lookup
	// touched keeps the reads that bring texts into the processor's cache.
	touched byte
}

// lookup is the hash of a text and the slot of the hash.
type lookup struct {
	hash uint64
	slot textSlot
}

// textSlot is one slot of the hash table. number counts from 1; 0 means a free slot.
// tag is a part of the text's hash; end is the offset of the text's end in page.
type textSlot struct{ tag, number, end, length uint32 }

const (
	firstSlots = 1 << 10
	lengthSize = 4
)

// stride is the number of values in one lookup. Slots and texts are read in separate
// loops, so that the processor waits for memory once for all values.
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

// add adds a text to the next lookup.
func (d *textDictionary) add(dst []uint32, text []byte) []uint32 {
	d.texts = append(d.texts, text)
	if len(d.texts) < stride {
		return dst
	}
	return d.flush(dst)
}

// flush appends the numbers of the added texts. New texts get the next numbers.
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

// matches reports whether the slot belongs to the text.
func (d *textDictionary) matches(s *textSlot, tag uint32, text []byte) bool {
	return s.tag == tag && s.number > 0 && int(s.length) == len(text) && string(d.page[s.end-s.length:s.end]) == string(text)
}

// number returns the number of a text by its hash. A new text gets the next number.
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

// grow makes a hash table of the given size, a power of two.
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

// Odd numbers with about as many one bits as zero bits.
const (
	factor1 = 0x9E3779B97F4A7C15
	factor2 = 0xD6E8FEB86659FD93
)

// hashText mixes eight bytes at a time. The hash needs no secret, because the values of
// a file influence only the speed of the same file.
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

// numberDictionary numbers numeric values in the order of their first use.
type numberDictionary struct {
	limits  dictionaryLimits
	numbers []int64
	slots   []numberSlot
	shift   int
}

// numberSlot is one slot of the hash table. number counts from 1; 0 means a free slot.
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

// numberAll appends the numbers of the values. New values get the next numbers.
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

// number returns the number of a value. A new value gets the next number.
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
