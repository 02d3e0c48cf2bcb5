//! What the API server publishes about `PodSpec` and all that is in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::hints;

const PREFIX: &str = "#/components/schemas/";
const ROOT: &str = "io.k8s.api.core.v1.PodSpec";

/// Objects by the last part of their name.
pub struct Schema {
    kinds: BTreeMap<String, Vec<Property>>,
}

pub struct Property {
    pub name: String,
    pub is_required: bool,
    pub shape: Shape,
}

/// What a value looks like.
pub enum Shape {
    Object(String),
    List(Box<Shape>),
    Map(Box<Shape>),
    OneOf(Vec<String>),
    Text,
    Integer,
    Boolean,
    Quantity,
    IntOrString,
}

impl Schema {
    /// `/openapi/v3/api/v1`.
    pub fn read(document: &Value) -> Self {
        let schemas = &document["components"]["schemas"];
        let mut kinds = BTreeMap::new();
        let mut todo = vec![ROOT.to_owned()];
        while let Some(path) = todo.pop() {
            let kind = last(&path);
            if kinds.contains_key(kind) {
                continue;
            }
            let object = &schemas[&path];
            let required = object["required"].as_array().cloned().unwrap_or_default();
            let mut properties = Vec::new();
            for (name, property) in object["properties"].as_object().into_iter().flatten() {
                // What is never made has nothing in it either.
                let mut within = Vec::new();
                let shape = shape(property, &mut within);
                if !hints::is_never(kind, name) {
                    todo.append(&mut within);
                }
                let is_required = required.iter().any(|one| one == name);
                properties.push(Property { name: name.clone(), is_required, shape });
            }
            kinds.insert(kind.to_owned(), properties);
        }
        Self { kinds }
    }

    pub fn properties(&self, kind: &str) -> &[Property] {
        self.kinds.get(kind).map_or(&[], Vec::as_slice)
    }

    pub fn kinds(&self) -> impl Iterator<Item = (&String, &Vec<Property>)> {
        self.kinds.iter()
    }

    /// Calls `visitor` for each property of an object of this kind, and of the objects in it.
    pub fn visit<'s>(&'s self, kind: &'s str, object: &Value, visitor: &mut impl FnMut(&'s str, &'s str)) {
        for property in self.properties(kind) {
            if let Some(value) = object.get(&property.name) {
                visitor(kind, &property.name);
                self.visit_shape(&property.shape, value, visitor);
            }
        }
    }

    fn visit_shape<'s>(
        &'s self,
        shape: &'s Shape,
        value: &Value,
        visitor: &mut impl FnMut(&'s str, &'s str),
    ) {
        match (shape, value) {
            (Shape::Object(kind), value) => self.visit(kind, value, visitor),
            (Shape::List(shape), Value::Array(values)) => {
                for value in values {
                    self.visit_shape(shape, value, visitor);
                }
            }
            _ => {}
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap()
}

fn shape(schema: &Value, within: &mut Vec<String>) -> Shape {
    // A `$ref` with a default or a description is in an `allOf`.
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(path) = reference.map(|reference| reference.trim_start_matches(PREFIX)) {
        return match last(path) {
            "Quantity" => Shape::Quantity,
            "IntOrString" => Shape::IntOrString,
            "Time" => Shape::Text,
            kind => {
                within.push(path.to_owned());
                Shape::Object(kind.to_owned())
            }
        };
    }
    if let Some(values) = schema["enum"].as_array() {
        return Shape::OneOf(values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect());
    }
    match schema["type"].as_str() {
        Some("array") => Shape::List(Box::new(shape(&schema["items"], within))),
        Some("object") => Shape::Map(Box::new(shape(&schema["additionalProperties"], within))),
        Some("integer") => Shape::Integer,
        Some("boolean") => Shape::Boolean,
        Some("string") => Shape::Text,
        other => panic!("a schema of a type that the generator does not know: {other:?}: {schema}"),
    }
}
