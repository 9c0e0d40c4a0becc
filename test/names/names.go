// Package names lists the names that firn stores or publishes: journal attributes, JSON
// keys, columns, contract properties, settings, fault codes.
//
// A user's queries, scripts and stored data depend on these names. From release 0.1.0 on
// a name may be added, and never renamed or removed.
package names

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Source is the parsed production code of some folders.
type Source struct{ files []*ast.File }

// Parse reads the Go files of the folders below root, without tests. A folder includes
// its subfolders.
func Parse(root string, folders ...string) (Source, error) {
	var source Source
	set := token.NewFileSet()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(set, path, nil, 0)
			source.files = append(source.files, file)
			return err
		})
		if err != nil {
			return Source{}, fmt.Errorf("parse %s: %w", folder, err)
		}
	}
	return source, nil
}

// Tags returns the names in the struct tags with the key, for example json or env.
func (s Source) Tags(key string) []string {
	return s.collect(func(node ast.Node, add func(string)) {
		field, ok := node.(*ast.Field)
		if !ok || field.Tag == nil {
			return
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return
		}
		name, _, _ := strings.Cut(reflect.StructTag(tag).Get(key), ",")
		if name != "" && name != "-" {
			add(name)
		}
	})
}

// attribute is the form of a DynamoDB attribute's name.
var attribute = regexp.MustCompile(`^[a-z][a-z_]*$`)

// itemMethods are the journal's methods that take attribute names.
var itemMethods = []string{"set", "clear", "count", "subtract", "text", "number", "instant", "where"}

// Attributes returns the attribute names that the journal's code reads or writes: the
// literal arguments of its item methods, the literal indexes of its items, and the
// constants with the prefix "attribute".
func (s Source) Attributes() []string {
	return s.collect(func(node ast.Node, add func(string)) {
		for _, expression := range attributesAt(node) {
			if name := literal(expression); attribute.MatchString(name) {
				add(name)
			}
		}
	})
}

// attributesAt returns the expressions of a node that may name an attribute.
func attributesAt(node ast.Node) []ast.Expr {
	switch node := node.(type) {
	case *ast.CallExpr:
		if method, ok := node.Fun.(*ast.SelectorExpr); ok && slices.Contains(itemMethods, method.Sel.Name) {
			return node.Args
		}
	case *ast.IndexExpr:
		return []ast.Expr{node.Index}
	case *ast.ValueSpec:
		if strings.HasPrefix(node.Names[0].Name, "attribute") {
			return node.Values
		}
	}
	return nil
}

// FirstArguments returns the literal first arguments of the calls of the methods.
func (s Source) FirstArguments(methods ...string) []string {
	return s.collect(func(node ast.Node, add func(string)) {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if name := literal(call.Args[0]); ok && name != "" && slices.Contains(methods, method.Sel.Name) {
			add(name)
		}
	})
}

// Literals returns the string literals that match the expression as a whole.
func (s Source) Literals(expression string) []string {
	whole := regexp.MustCompile("^(?:" + expression + ")$")
	return s.collect(func(node ast.Node, add func(string)) {
		if value, ok := node.(ast.Expr); ok {
			if text := literal(value); whole.MatchString(text) {
				add(text)
			}
		}
	})
}

// Constants returns the string values of the constants with the type.
func (s Source) Constants(typeName string) []string {
	return s.collect(func(node ast.Node, add func(string)) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return
		}
		if named, ok := spec.Type.(*ast.Ident); !ok || named.Name != typeName {
			return
		}
		for _, value := range spec.Values {
			add(literal(value))
		}
	})
}

// collect visits all nodes and returns the added names, sorted, each once.
func (s Source) collect(visit func(node ast.Node, add func(string))) []string {
	var names []string
	for _, file := range s.files {
		ast.Inspect(file, func(node ast.Node) bool {
			visit(node, func(name string) { names = append(names, name) })
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// literal returns the value of a string literal, or "" for any other expression.
func literal(expression ast.Expr) string {
	basic, ok := expression.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(basic.Value)
	if err != nil {
		return ""
	}
	return text
}

// viewStart begins a view's statement in schema OPS.
var viewStart = regexp.MustCompile(`(?m)^create or replace view (ops\.\w+)`)

// ViewColumns returns the columns of each view that the SQL script creates, as
// "view.column". A view's columns are those of its last top-level select, or of the
// first branch of a union.
func ViewColumns(script string) []string {
	var names []string
	starts := viewStart.FindAllStringSubmatchIndex(script, -1)
	for i, start := range starts {
		end := len(script)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		view := script[start[2]:start[3]]
		for _, column := range selected(script[start[1]:end]) {
			names = append(names, view+"."+column)
		}
	}
	return names
}

// selected returns the column names of the first select that begins a line.
func selected(statement string) []string {
	_, list, found := strings.Cut(statement, "\nselect\n")
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, "\nfrom ")
	var columns []string
	for _, expression := range splitTopLevel(list) {
		words := strings.Fields(expression)
		last := words[len(words)-1]
		columns = append(columns, last[strings.LastIndexByte(last, '.')+1:])
	}
	return columns
}

// splitTopLevel splits at the commas outside parentheses.
func splitTopLevel(list string) []string {
	var parts []string
	depth, start := 0, 0
	for i, r := range list {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, list[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, list[start:])
}
