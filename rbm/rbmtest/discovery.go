package rbmtest

import (
	"cmp"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// serveDiscovery serves the description of the API from which clients are built at run
// time, such as those of Google's libraries for Python and Node.
//
// Google docs: https://developers.google.com/discovery/v1/reference/apis
func (s *Simulator) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	if version := r.URL.Query().Get("version"); version != "v1" && version != "" {
		(&apiError{status: http.StatusNotFound, message: "Discovery document not found for this version."}).write(w, r)
		return
	}
	const name = "rcsbusinessmessaging"
	schemas := map[string]any{}
	resources := map[string]any{}
	for path, m := range methods {
		names := strings.Split(m.name, ".")
		resource := map[string]any{"resources": resources}
		for _, name := range names[:len(names)-1] {
			resource = child(child(resource, "resources"), name)
		}
		child(resource, "methods")[names[len(names)-1]] = m.describe(name, path, schemas)
	}
	standard := map[string]any{}
	for _, name := range standardParameters {
		if !strings.HasPrefix(name, "$") {
			standard[name] = map[string]string{"type": "string", "location": "query"}
		}
	}
	root := origin(r) + "/"
	writeAPI(w, r, http.StatusOK, map[string]any{
		"kind": "discovery#restDescription", "discoveryVersion": "v1", "protocol": "rest",
		"id": name + ":v1", "name": name, "version": "v1", "title": "RCS Business Messaging API",
		"rootUrl": root, "servicePath": "", "baseUrl": root, "basePath": "", "batchPath": "batch",
		"auth":       map[string]any{"oauth2": map[string]any{"scopes": map[string]any{rbm.Scope: map[string]string{"description": "Send RCS messages"}}}},
		"parameters": standard, "schemas": schemas, "resources": resources,
	})
}

// child returns the object in a member, which it creates if needed.
func child(object map[string]any, member string) map[string]any {
	if object[member] == nil {
		object[member] = map[string]any{}
	}
	return object[member].(map[string]any)
}

// describe returns the description of a method, whose path has * for parameters.
func (m *method) describe(api, path string, schemas map[string]any) map[string]any {
	parameters := map[string]any{}
	for _, query := range []string{"agentId", m.id, m.query} {
		if query != "" {
			parameters[query] = map[string]string{"type": "string", "location": "query"}
		}
	}
	order := []string{}
	if strings.Contains(path, "*") { // a POST names the parent of what it makes, such as a phone
		name, end := "name", strings.LastIndex(path, "*")+1
		if m.verb == http.MethodPost {
			name = "parent"
		}
		parameters[name] = map[string]any{
			"type": "string", "location": "path", "required": true,
			"pattern": "^" + strings.ReplaceAll(path[:end], "*", "[^/]+") + "$",
		}
		order, path = append(order, name), "{+"+name+"}"+path[end:]
	}
	description := map[string]any{
		"id": api + "." + m.name, "path": "v1/" + path, "httpMethod": m.verb, "scopes": []string{rbm.Scope},
		"parameters": parameters, "parameterOrder": order, "response": describeType(reflect.TypeOf(m.result), schemas),
	}
	if m.body != nil {
		description["request"] = describeType(reflect.TypeOf(m.body()), schemas)
	}
	if m.name == uploadMethod.name {
		upload := map[string]any{"multipart": true, "path": "/upload/v1/" + path}
		description["mediaUpload"] = map[string]any{"accept": []string{"*/*"}, "protocols": map[string]any{"simple": upload, "resumable": upload}}
		description["supportsMediaUpload"] = true
	}
	return description
}

// describeType returns the schema of a type. Those of structs are added to schemas.
func describeType(t reflect.Type, schemas map[string]any) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "google-datetime"}
	case t == reflect.TypeFor[rbm.Duration]():
		return map[string]any{"type": "string", "format": "google-duration"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describeType(t.Elem(), schemas)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": describeType(t.Elem(), schemas)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": describeType(t.Elem(), schemas)}
	case reflect.Interface:
		return map[string]any{"type": "any"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number", "format": "double"}
	case reflect.Int:
		return map[string]any{"type": "integer", "format": "int32"}
	case reflect.Int64:
		return map[string]any{"type": "string", "format": "int64"}
	case reflect.Struct:
		id := cmp.Or(t.Name(), "empty")
		id = strings.ToUpper(id[:1]) + id[1:]
		if schemas[id] == nil {
			properties := map[string]any{}
			schemas[id] = map[string]any{"id": id, "type": "object", "properties": properties}
			for i := range t.NumField() {
				name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
				properties[name] = describeType(t.Field(i).Type, schemas)
			}
		}
		return map[string]any{"$ref": id}
	}
	return map[string]any{"type": "string"}
}
