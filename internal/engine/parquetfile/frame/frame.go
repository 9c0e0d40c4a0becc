// Package frame writes Zstandard frames (RFC 8878) of records with a fixed length. Each
// record repeats some bytes of the record before. A general compressor has to search
// for these matches; this package knows them. All sequences of a block are equal, so a
// sequence costs no bits. Any decoder can read the frames.
package frame

import "encoding/binary"

// Sizes of the format (RFC 8878, 3.1.1).
const (
	magic = 0xFD2FB528
	// maxBlock is the maximum content of a block in bytes.
	maxBlock = 128 << 10
	// singleSegment asks the decoder to keep the whole content. The content size has
	// four bytes.
	singleSegment = 0xA0
	minMatch      = 3
)

const (
	rawBlock        = 0
	compressedBlock = 2
	lastBlock       = 1
	blockHeader     = 3
)

// Store appends a frame with uncompressed content, for incompressible pages. The
// content is at most 4 GiB.
func Store(dst, content []byte) []byte {
	dst = appendHeader(dst, len(content))
	dst = appendRaw(dst, content)
	return appendEnd(dst)
}

func appendHeader(dst []byte, size int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, singleSegment)
	return binary.LittleEndian.AppendUint32(dst, uint32(size))
}

// appendRaw appends blocks with uncompressed content.
func appendRaw(dst, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), maxBlock)
		dst = appendBlockHeader(dst, rawBlock, n)
		dst = append(dst, content[:n]...)
		content = content[n:]
	}
	return dst
}

// appendEnd ends the frame with an empty block.
func appendEnd(dst []byte) []byte { return append(dst, lastBlock, 0, 0) }

func appendBlockHeader(dst []byte, kind, size int) []byte {
	header := uint32(kind)<<1 | uint32(size)<<blockHeader
	return append(dst, byte(header), byte(header>>8), byte(header>>16))
}
