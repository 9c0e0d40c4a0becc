package contract_test

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
)

// A contract describes the files and the columns of a dataset.
func ExampleRead() {
	c, err := contract.Read("shop/order/contract.odcs.yaml", []byte(`apiVersion: v3.1.0
kind: DataContract
id: shop.order
name: shop.order
version: 1.0.0
status: active
description: {purpose: One row an order.}
schema:
  - name: order
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, description: The number of the order.}
      - {name: note, logicalType: string, description: A remark of the customer.}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Dataset(), "has the table", c.Table(), "and the keys", c.KeyPrefix)
	for _, column := range c.Columns {
		fmt.Println(column.Name, column.Type, column.Required)
	}
	// Output:
	// shop.order has the table SHOP_ORDER and the keys shop/order/
	// id integer true
	// note string false
}

// The key of an object selects the contract.
func ExampleSet_ByKey() {
	set := contract.Set{
		{Source: "shop", Entity: "item", KeyPrefix: "shop/item/"},
		{Source: "shop", Entity: "order", KeyPrefix: "shop/order/"},
	}
	fmt.Println(set.ByKey("shop/order/2026-03-01.csv.gz").Dataset())
	fmt.Println(set.ByKey("other/file.csv") == nil)
	// Output:
	// shop.order
	// true
}
