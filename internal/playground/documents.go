package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/rcshook/rcshook/internal/docstest"
	"github.com/rcshook/rcshook/internal/source"
)

var (
	//go:embed document.html
	documentHTML string
	//go:embed document.css
	documentCSS []byte

	documentPage = template.Must(template.New("document").Parse(documentHTML))
	markdown     = goldmark.New(goldmark.WithExtensions(extension.Linkify, extension.NewTable(
		extension.WithTableCellAlignMethod(extension.TableCellAlignNone), // in place of styles
	)))
)

const (
	// repository is the address of the files that are not pages of the site.
	repository = "https://github.com/rcshook/rcshook/"

	// published is the address of the site, which the documents link on GitHub.
	published = "https://rcshook.github.io/rcshook/"
)

// A document is a Markdown file for users, and its page on the site.
type document struct {
	file     string // in the repository, such as docs/payload.md
	source   []byte
	tree     ast.Node
	images   []string // files of the repository
	Path     string   // of the page, such as payload.html
	Title    string
	Contents []heading
}

type heading struct {
	Level    int
	ID, Text string
}

// A group is a part of the navigation.
type group struct {
	Title     string
	Documents []*document
}

// writeDocuments writes the documents of this repository as pages into the folder docs of the
// site.
func writeDocuments(out string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	docs, err := readDocuments(root)
	if err != nil {
		return err
	}
	version, err := documentedVersion(root)
	if err != nil {
		return err
	}
	out = filepath.Join(out, "docs")
	groups := navigation(docs)
	for _, d := range docs {
		if err := d.prepare(root, docs); err != nil {
			return fmt.Errorf("%s: %w", d.file, err)
		}
		if err := d.write(out, version, groups); err != nil {
			return fmt.Errorf("%s: %w", d.file, err)
		}
		for _, image := range d.images {
			data, err := os.ReadFile(filepath.Join(root, image))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(out, path.Base(image)), data, 0o644); err != nil {
				return err
			}
		}
	}
	if err := writeLicenses(filepath.Join(out, "licenses.txt")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "document.css"), documentCSS, 0o644)
}

// readDocuments parses the documents, and returns them by their files.
func readDocuments(root string) (map[string]*document, error) {
	docs := map[string]*document{}
	for _, pattern := range []string{"README.md", "SECURITY.md", "CHANGELOG.md", "docs/*.md", "deploy/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			file, err := filepath.Rel(root, name)
			if err != nil {
				return nil, err
			}
			d := &document{file: filepath.ToSlash(file)}
			if d.source, err = os.ReadFile(name); err != nil {
				return nil, err
			}
			d.Path = strings.TrimPrefix(strings.TrimPrefix(d.file, "docs/"), "deploy/")
			if d.Path = strings.ToLower(strings.TrimSuffix(d.Path, ".md")) + ".html"; path.Base(d.Path) == "readme.html" {
				d.Path = path.Join(path.Dir(d.Path), "index.html")
			}
			d.tree = markdown.Parser().Parse(text.NewReader(d.source))
			d.headings()
			docs[d.file] = d
		}
	}
	return docs, nil
}

// documentedVersion returns the first version in the CHANGELOG.
func documentedVersion(root string) (string, error) {
	changes, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`(?m)^## (\S+)$`).FindSubmatch(changes)
	if version == nil {
		return "", fmt.Errorf("CHANGELOG.md: expected a heading with a version, got none")
	}
	return strings.ToLower(string(version[1])), nil
}

// headings sets the title and the contents, and the ID of each heading as GitHub does.
func (d *document) headings() {
	used := map[string]int{}
	for _, n := range nodes[*ast.Heading](d.tree) {
		title := plainText(n, d.source)
		id := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, title)
		used[id]++
		if times := used[id] - 1; times > 0 {
			id = fmt.Sprintf("%s-%d", id, times)
		}
		n.SetAttributeString("id", []byte(id))
		if d.Title == "" {
			d.Title = title
		} else if n.Level <= 3 {
			d.Contents = append(d.Contents, heading{n.Level, id, title})
		}
	}
}

// nodes returns the nodes of one type, in their order.
func nodes[T ast.Node](tree ast.Node) (all []T) {
	_ = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if node, ok := n.(T); ok && entering {
			all = append(all, node)
		}
		return ast.WalkContinue, nil
	})
	return all
}

// plainText returns the text of a node without its marks.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	for _, t := range nodes[*ast.Text](n) {
		b.Write(t.Value(source))
		if t.SoftLineBreak() {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// find returns the document to which a link leads, and the file.
func (d *document) find(target string, docs map[string]*document) (*document, string) {
	file, absolute := strings.CutPrefix(target, repository+"blob/main/")
	if !absolute {
		file = path.Join(path.Dir(d.file), target)
	}
	if to := docs[file]; to != nil {
		return to, file
	}
	return docs[path.Join(file, "README.md")], file
}

// URL returns the relative URL of a file of the site, which is named from docs.
func (d *document) URL(name string) string {
	return strings.Repeat("../", strings.Count(d.Path, "/")) + name
}

// prepare changes the links to those of the site, and adds links to the playground.
func (d *document) prepare(root string, docs map[string]*document) error {
	for _, link := range nodes[*ast.Link](d.tree) {
		target, fragment, _ := strings.Cut(string(link.Destination), "#")
		if fragment != "" {
			fragment = "#" + fragment
		}
		to, file := d.find(target, docs)
		switch {
		case target == "":
		case target == published:
			link.Destination = []byte(d.URL("../index.html") + fragment)
		case to != nil:
			link.Destination = []byte(d.URL(to.Path) + fragment)
		case !strings.Contains(target, ":"):
			info, err := os.Stat(filepath.Join(root, file))
			if err != nil {
				return err
			}
			kind := "blob"
			if info.IsDir() {
				kind = "tree"
			}
			link.Destination = []byte(repository + kind + "/main/" + file + fragment)
		}
	}
	for _, image := range nodes[*ast.Image](d.tree) {
		file := path.Join(path.Dir(d.file), string(image.Destination))
		d.images = append(d.images, file)
		image.Destination = []byte(d.URL(path.Base(file)))
	}
	for _, cell := range nodes[*table.TableCell](d.tree) {
		if cell.Alignment == table.AlignRight {
			cell.SetAttributeString("class", []byte("right"))
		}
	}
	for _, t := range nodes[*table.Table](d.tree) {
		if plainText(t.FirstChild().FirstChild(), d.source) == "preset" {
			for _, row := range nodes[*table.TableRow](t) {
				d.linkPreset(row.FirstChild())
			}
		}
	}
	for _, block := range nodes[*ast.FencedCodeBlock](d.tree) {
		info := ""
		if block.Info != nil {
			info = string(block.Info.Value(d.source))
		}
		d.addLinks(block, tryLinks(info, string(block.Lines().Value(d.source))))
	}
	return nil
}

// linkPreset links the preset that a cell of a table names.
func (d *document) linkPreset(cell ast.Node) {
	name := cell.FirstChild()
	if text := plainText(cell, d.source); slices.Contains(source.Presets(), text) {
		link := ast.NewLink()
		link.Destination = []byte(d.URL("../index.html#preset=" + text))
		cell.ReplaceChild(cell, name, link)
		link.AppendChild(link, name)
	}
}

// A tryLink opens an example in the playground.
type tryLink struct{ label, fragment string }

var presetOfMap = regexp.MustCompile(`(?ms)^ +preset: ([\w-]+)\b.*^ +map:`)

// tryLinks returns the links for a code block: of its payloads, or of the preset of its mapping.
func tryLinks(info, block string) []tryLink {
	var links []tryLink
	payloads := docstest.Payloads(info, block)
	for i, payload := range payloads {
		label := "Try it"
		if len(payloads) > 1 {
			label = fmt.Sprintf("Try message %d", i+1)
		}
		links = append(links, tryLink{label, "payload=" + strings.ReplaceAll(url.QueryEscape(payload), "+", "%20")})
	}
	if preset := presetOfMap.FindStringSubmatch(block); preset != nil && info == "yaml" {
		links = append(links, tryLink{"Try the preset " + preset[1], "preset=" + preset[1]})
	}
	return links
}

// addLinks adds a paragraph with links below a code block.
func (d *document) addLinks(block ast.Node, links []tryLink) {
	if len(links) == 0 {
		return
	}
	p := ast.NewParagraph()
	p.SetAttributeString("class", []byte("try"))
	for _, l := range links {
		link := ast.NewLink()
		link.Destination = []byte(d.URL("../index.html#" + l.fragment))
		link.AppendChild(link, ast.NewString([]byte(l.label)))
		p.AppendChild(p, link)
	}
	block.Parent().InsertAfter(block.Parent(), block, p)
}

// navigation returns the documents in the order of the table in README.md, after those that
// only its text links. The recipes have the order of their README.md, and the others follow.
func navigation(docs map[string]*document) []group {
	readme, recipes := docs["README.md"], docs["deploy/recipes/README.md"]
	rest := maps.Clone(docs)
	delete(rest, readme.file)
	linked := func(from *document, n ast.Node, folder string) (all []*document) {
		for _, link := range nodes[*ast.Link](n) {
			target, _, _ := strings.Cut(string(link.Destination), "#")
			if to, _ := from.find(target, docs); to != nil && rest[to.file] != nil && strings.HasPrefix(to.file, folder) {
				delete(rest, to.file)
				all = append(all, to)
			}
		}
		return all
	}
	groups := []group{{Title: "Start"}}
	for _, row := range nodes[*table.TableRow](readme.tree) {
		groups = append(groups, group{plainText(row.FirstChild(), readme.source), linked(readme, row, "")})
	}
	groups[0].Documents = append([]*document{readme}, linked(readme, readme.tree, "docs/")...)
	others := func(a, b *document) int { return strings.Compare(a.Title, b.Title) }
	return append(groups, group{"Recipes", linked(recipes, recipes.tree, "deploy/")}, group{"More", slices.SortedFunc(maps.Values(rest), others)})
}

// write writes the page.
func (d *document) write(out, version string, groups []group) error {
	var body, page bytes.Buffer
	if err := markdown.Renderer().Render(&body, d.source, d.tree); err != nil {
		return err
	}
	// goldmark escapes the text of a document, so these are its own tags.
	scroll := strings.NewReplacer(
		"<table>", `<div class="scroll" tabindex="0"><table>`, "</table>", "</table></div>", "<pre>", `<pre tabindex="0">`)
	err := documentPage.Execute(&page, struct {
		*document
		Version, Source string
		Body            template.HTML
		Groups          []group
	}{d, version, repository + "blob/main/" + d.file, template.HTML(scroll.Replace(body.String())), groups})
	if err != nil {
		return err
	}
	name := filepath.Join(out, filepath.FromSlash(d.Path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, page.Bytes(), 0o644)
}
