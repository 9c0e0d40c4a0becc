package contract

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxLoadEvery is the longest delay of an SQS message:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
const maxLoadEvery = 15 * time.Minute

// maxPageSize is the largest number of events in an answer of an FDSN service:
// https://earthquake.usgs.gov/fdsnws/event/1/
const maxPageSize = 20000

var ingestShape = mapping(map[kind]string{text: "api url schedule", whole: "pageSize"}, nil).require("api", "url")

// firnProperties are the custom properties of a contract with their shapes, in the
// order of reading. Format and mode come before the properties that depend on format or
// mode.
var firnProperties = []struct {
	name  string
	shape *shape
	read  func(*reader, value, *draft)
}{
	{"firn.format", scalar(text), (*reader).readFormat},
	{"firn.keyPrefix", scalar(text), (*reader).readKeyPrefix},
	{"firn.delimiter", scalar(text), (*reader).readDelimiter},
	{"firn.encoding", scalar(text), (*reader).readEncoding},
	{"firn.engine", scalar(text), (*reader).readEngine},
	{"firn.nullValues", listOf(scalar(text)), (*reader).readNullValues},
	{"firn.maxRejectRatio", scalar(number), (*reader).readMaxRejectRatio},
	{"firn.maxRejects", scalar(whole), (*reader).readMaxRejects},
	{"firn.maxUnique", scalar(whole), (*reader).readMaxUnique},
	{"firn.loadEvery", scalar(text), (*reader).readLoadEvery},
	{"firn.ingest", ingestShape, (*reader).readIngest},
	{"firn.mode", scalar(text), (*reader).readMode},
	{"firn.orderBy", oneOf(scalar(text), listOf(scalar(text))), (*reader).readOrderBy},
	{"firn.delivery", deliveryShape, (*reader).readDelivery},
	{"firn.holdBelow", scalar(number), (*reader).readHoldBelow},
	{"firn.duplicateContent", scalar(text), (*reader).readDuplicateContent},
	{"firn.onDelete", scalar(text), (*reader).readOnDelete},
	{"firn.quotedNull", scalar(text), (*reader).readQuotedNull},
	{"firn.newColumns", scalar(text), (*reader).readNewColumns},
	{"firn.expectRows", scalar(number), (*reader).readExpectRows},
	{"firn.expectRejects", scalar(number), (*reader).readExpectRejects},
}

// readFirnProperties reads the contract's firn.* properties and reports unknown
// properties, because a misspelt property would silently mean the default. It ignores
// the properties of other tools.
func (r *reader) readFirnProperties(root value, d *draft) {
	given := r.firnValues(root)
	for _, known := range firnProperties {
		p, ok := given[known.name]
		if !ok {
			continue
		}
		delete(given, known.name)
		before := len(r.found)
		r.check(p.value, known.shape)
		if len(r.found) == before {
			known.read(r, p.value, d)
		}
	}
	names := make([]string, len(firnProperties))
	for i, known := range firnProperties {
		names[i] = known.name
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		r.reportf(given[name].at, "a contract has no property %s%s", name, suggestion(name, names))
	}
}

// firnValues returns the firn.* properties of v by name and reports repeated
// properties.
func (r *reader) firnValues(v value) map[string]customProperty {
	given, seen := map[string]customProperty{}, map[string]value{}
	for _, p := range customPropertiesOf(v) {
		if strings.HasPrefix(p.name, firnPrefix) && r.reportOnce(seen, p.name, p.at, "the property") {
			given[p.name] = p
		}
	}
	return given
}

func (r *reader) readFormat(v value, d *draft) {
	d.contract.Format = Format(v.node.Value)
	if d.contract.Format != CSV && d.contract.Format != NDJSON {
		r.reportf(v, "must be csv or ndjson")
	}
}

// readKeyPrefix accepts whole folders only, so that "shop/order" doesn't match the keys
// "shop/orders/…".
func (r *reader) readKeyPrefix(v value, d *draft) {
	prefix := v.node.Value
	if !strings.HasSuffix(prefix, "/") || strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//") {
		r.reportf(v, "%q must be a folder path with a slash at the end, no slash at the start and no empty folder", prefix)
		return
	}
	d.contract.KeyPrefix, d.prefix = prefix, v
}

// readDelimiter reads an ASCII character that numbers, names and quoting don't use.
func (r *reader) readDelimiter(v value, d *draft) {
	delimiter := v.node.Value
	if !r.csvOnly(v, d.contract) {
		return
	}
	if len(delimiter) != 1 || !strings.Contains(",;|\t:~^", delimiter) {
		r.reportf(v, `must be one of , ; | : ~ ^ or a tab ("\t")`)
		return
	}
	d.contract.Delimiter = delimiter[0]
}

func (r *reader) readEncoding(v value, d *draft) {
	d.contract.Encoding = Encoding(v.node.Value)
	known := []Encoding{UTF8, Latin1, Windows1252}
	switch {
	case !slices.Contains(known, d.contract.Encoding):
		r.reportf(v, "must be utf-8, latin-1 or windows-1252")
	case d.contract.Encoding != UTF8:
		r.csvOnly(v, d.contract)
	}
}

func (r *reader) readEngine(v value, d *draft) {
	d.contract.Engine = Engine(v.node.Value)
	if !slices.Contains([]Engine{AutoEngine, LambdaEngine, GlueEngine}, d.contract.Engine) {
		r.reportf(v, "must be auto, lambda or glue")
	}
}

func (r *reader) readNullValues(v value, d *draft) {
	if !r.csvOnly(v, d.contract) {
		return
	}
	seen := map[string]value{}
	for _, item := range v.items() {
		if item.node.Value == "" {
			r.reportf(item, "an empty field always means null; remove the empty text")
		}
		if r.reportOnce(seen, item.node.Value, item, "the value") {
			d.contract.NullValues = append(d.contract.NullValues, item.node.Value)
		}
	}
}

func (r *reader) readQuotedNull(v value, d *draft) {
	if !r.csvOnly(v, d.contract) {
		return
	}
	d.contract.QuotedNull = QuotedNull(v.node.Value)
	if !slices.Contains([]QuotedNull{QuotedIsNull, QuotedIsValue}, d.contract.QuotedNull) {
		r.reportf(v, "must be none or value")
	}
}

func (r *reader) readNewColumns(v value, d *draft) {
	d.contract.NewColumns = NewColumns(v.node.Value)
	if !slices.Contains([]NewColumns{ReportNewColumns, RefuseNewColumns}, d.contract.NewColumns) {
		r.reportf(v, "must be report or refuse")
	}
}

// csvOnly reports a CSV property in a contract of another format, and returns whether
// the format is CSV. JSON needs no such property: JSON has null.
func (r *reader) csvOnly(v value, c *Contract) bool {
	if c.Format != CSV {
		r.reportf(v, "is for firn.format csv only")
	}
	return c.Format == CSV
}

func (r *reader) readMaxRejectRatio(v value, d *draft) {
	ratio, err := strconv.ParseFloat(v.node.Value, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		r.reportf(v, "must be between 0 and 1")
		return
	}
	d.contract.MaxRejectRatio = ratio
}

func (r *reader) readMaxRejects(v value, d *draft) {
	rejects, err := strconv.ParseInt(v.node.Value, 10, 64)
	if err != nil || rejects < 0 {
		r.reportf(v, "must be 0 or more")
		return
	}
	d.contract.MaxRejects, d.maxRejects = rejects, &v
}

// DefaultMaxUnique is Contract.MaxUnique without firn.maxUnique. maxUniqueLimit is the
// largest value, limited by the memory of a function.
const (
	DefaultMaxUnique = 4_000_000
	maxUniqueLimit   = 10_000_000
)

func (r *reader) readMaxUnique(v value, d *draft) {
	records, ok := v.whole()
	if !ok || records < 1 || records > maxUniqueLimit {
		r.reportf(v, "must be between 1 and %d records", maxUniqueLimit)
		return
	}
	d.contract.MaxUnique = int64(records)
}

func (r *reader) readLoadEvery(v value, d *draft) {
	every, err := time.ParseDuration(v.node.Value)
	if err != nil || every < 0 || every > maxLoadEvery || every%time.Second != 0 {
		r.reportf(v, `must be whole seconds from "0s" to "15m", such as "90s"`)
		return
	}
	d.contract.LoadEvery = every
}

var ingestAPIs = []string{"fdsn-event"}

// readIngest reads firn.ingest.
func (r *reader) readIngest(v value, d *draft) {
	ingest := &Ingest{API: v.text("api"), URL: v.text("url"), PageSize: maxPageSize, Schedule: v.text("schedule")}
	d.contract.Ingest = ingest
	if d.contract.Format != NDJSON {
		r.reportf(v, "an ingested dataset has NDJSON files: set firn.format to ndjson")
	}
	if api, _ := v.get("api", text); !slices.Contains(ingestAPIs, ingest.API) {
		r.reportf(api, "must be %s", strings.Join(ingestAPIs, " or "))
	}
	address, err := url.Parse(ingest.URL)
	if at, _ := v.get("url", text); err != nil || !isPlainAddress(address) {
		r.reportf(at, "must be an http or https address without a query string")
	}
	if size, ok := v.get("pageSize", whole); ok {
		if ingest.PageSize, ok = size.whole(); !ok || ingest.PageSize < 1 || ingest.PageSize > maxPageSize {
			r.reportf(size, "must be between 1 and %d", maxPageSize)
		}
	}
	if at, ok := v.get("schedule", text); ok {
		if err := checkSchedule(ingest.Schedule); err != nil {
			r.reportf(at, "%s", err)
		}
	}
}

func isPlainAddress(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
