package contract_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
)

const draftHead = `apiVersion: v3.1.0
kind: DataContract
id: firn.shop.order
name: shop.order
version: 1.0.0
status: active
description: {purpose: Orders.}
customProperties:
  - {property: firn.format, value: FORMAT}
schema:
  - name: order
    properties:
      - name: owner
        logicalType: string
        description: The owner.
`

// readDraft reads a contract of the format with a draft at the end.
func readDraft(t testing.TB, format, draft string) (*contract.Contract, error) {
	t.Helper()
	return contract.Read(contract.FileName, []byte(strings.Replace(draftHead, "FORMAT", format, 1)+draft))
}

func TestDraftIsPartOfContract(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		format           string
		files            []string
		want, unnamables string
	}{
		"the same name": {"csv", []string{"state"}, `      - name: state
        logicalType: string
        description: Describe the meaning of the column.
`, ""},
		"CSV": {"csv", []string{"Order No.", "2nd", "Owner", "owner ", "Select", "\u00a0", "it's \"#: é\tx", "", "a\nb"}, `      - name: order_no
        physicalName: "Order No."
        logicalType: string
        description: Describe the meaning of the column.
      - name: column_2nd
        physicalName: "2nd"
        logicalType: string
        description: Describe the meaning of the column.
      - name: owner_2
        physicalName: "Owner"
        logicalType: string
        description: Describe the meaning of the column.
      - name: owner_3
        physicalName: "owner "
        logicalType: string
        description: Describe the meaning of the column.
      - name: order_select
        physicalName: "Select"
        logicalType: string
        description: Describe the meaning of the column.
      - name: new_column
        physicalName: "\u00a0"
        logicalType: string
        description: Describe the meaning of the column.
      - name: it_s_e_x
        physicalName: "it's \"#: é\tx"
        logicalType: string
        description: Describe the meaning of the column.
`, "|a\nb"},
		"NDJSON": {"ndjson", []string{"magType", "a/b~c", "", "state"}, `      - name: mag_type
        logicalType: string
        description: Describe the meaning of the column.
        customProperties: [{property: firn.path, value: "/magType"}]
      - name: a_b_c
        logicalType: string
        description: Describe the meaning of the column.
        customProperties: [{property: firn.path, value: "/a~1b~0c"}]
      - name: new_column
        logicalType: string
        description: Describe the meaning of the column.
        customProperties: [{property: firn.path, value: "/"}]
      - name: state
        logicalType: string
        description: Describe the meaning of the column.
`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := readDraft(t, test.format, "")
			if err != nil {
				t.Fatal(err)
			}
			got, unnamable := before.Draft(test.files)
			if diff := cmp.Diff(test.want, got); diff != "" || strings.Join(unnamable, "|") != test.unnamables {
				t.Errorf("unnamable %q; draft (-want +got):\n%s", unnamable, diff)
			}
			if _, err := readDraft(t, test.format, got); err != nil {
				t.Errorf("the contract with the draft: %v", err)
			}
		})
	}
}

// TestDraftHasColumnsOfAnyName: with the draft the contract reads exactly the new
// columns, also for odd names.
func TestDraftHasColumnsOfAnyName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		format := rapid.SampledFrom([]string{"csv", "ndjson"}).Draw(r, "format")
		before, err := readDraft(t, format, "")
		if err != nil {
			r.Fatal(err)
		}
		texts := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\x00-\x1f\x{80}-\x{a0}\x{2028}{}'":#~/\\]{0,5}`))
		valid := texts.Filter(func(name string) bool { return utf8.ValidString(name) && name != "owner" })
		names := rapid.SliceOfNDistinct(valid, 1, 8, func(name string) string { return name }).Draw(r, "names")
		draft, unnamable := before.Draft(names)
		after, err := readDraft(t, format, draft)
		if err != nil {
			r.Fatalf("%v\n%s", err, draft)
		}
		want := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(unnamable, name) })
		got, _ := after.FileColumns()
		if diff := cmp.Diff(append([]string{"owner"}, want...), got); diff != "" {
			r.Fatalf("names in files (-want +got):\n%s\n%s", diff, draft)
		}
	})
}
