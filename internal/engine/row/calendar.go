package row

const (
	microsPerSecond = int64(1_000_000)
	secondsPerDay   = int64(86_400)
	// fractionDigits is the number of fraction digits of a time: microseconds.
	fractionDigits = 6
	// unixEpoch is 1970-01-01 in days since 0000-03-01.
	unixEpoch = 719_468
)

// parseDate parses YYYY-MM-DD as days since 1970-01-01. Valid are the days of the
// Gregorian calendar in the years 0001 to 9999.
func parseDate(text []byte) (int32, bool) {
	if len(text) != 10 || text[4] != '-' || text[7] != '-' {
		return 0, false
	}
	century, year, month, day := twoDigits(text), twoDigits(text[2:]), twoDigits(text[5:]), twoDigits(text[8:])
	if century < 0 || year < 0 {
		return 0, false
	}
	year += 100 * century
	if year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return daysSinceEpoch(year, month, day), true
}

// daysIn returns the number of days of a month, 1 to 12. The Gregorian calendar applies
// to all years.
func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// daysSinceEpoch returns the days since 1970-01-01. The formula starts a year in March,
// so that a leap day is the last day of a year.
func daysSinceEpoch(year, month, day int) int32 {
	if month <= 2 {
		year--
		month += 12
	}
	return int32(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - unixEpoch)
}

// parseTimestamp parses a date, "T", a time and "Z" as microseconds since
// 1970-01-01T00:00:00Z. A text with another time zone, or without a zone, is invalid.
func parseTimestamp(text []byte) (int64, bool) {
	if len(text) < 20 || text[10] != 'T' || text[len(text)-1] != 'Z' {
		return 0, false
	}
	day, isDate := parseDate(text[:10])
	micros, isTime := parseTime(text[11 : len(text)-1])
	return int64(day)*secondsPerDay*microsPerSecond + micros, isDate && isTime
}

// parseTime parses hh:mm:ss with up to six fraction digits as microseconds since
// midnight. The range is 00:00:00 to 23:59:59.999999, without leap seconds.
func parseTime(text []byte) (int64, bool) {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' {
		return 0, false
	}
	hour, minute, second := twoDigits(text), twoDigits(text[3:]), twoDigits(text[6:])
	if uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 {
		return 0, false
	}
	fraction, ok := parseFraction(text[8:])
	return int64(hour*3600+minute*60+second)*microsPerSecond + fraction, ok
}

// parseFraction parses "", or "." and one to six digits, as microseconds. A seventh
// digit is invalid, even if it is zero.
func parseFraction(text []byte) (micros int64, ok bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != '.' || len(text) < 2 || len(text) > 1+fractionDigits {
		return 0, false
	}
	for i := 1; i <= fractionDigits; i++ {
		micros *= 10
		if i < len(text) {
			digit := text[i] - '0'
			if digit > 9 {
				return 0, false
			}
			micros += int64(digit)
		}
	}
	return micros, true
}

// twoDigits returns the number of the first two digits, or -1 if the text doesn't start
// with two digits.
func twoDigits(text []byte) int {
	tens, ones := text[0]-'0', text[1]-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int(tens)*10 + int(ones)
}
