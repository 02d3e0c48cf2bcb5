//! Pods made up by type, from the schema.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{
    hints,
    schema::{Property, Schema, Shape},
    sense, whole,
};

/// The same pod for the same seed and number.
pub fn pod(schema: &Schema, seed: u64, number: u64) -> Value {
    let mut random = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // Some pods have little in them, some have much.
    let density = [0.05, 0.2, 0.4, 0.7][random.usize(..4)];
    let spec = Generator { schema, random: random.fork(), density }.object("PodSpec");
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("form-{number}"), "labels": {"app": "form"}, "annotations": {"note": "kept"}},
        "spec": spec,
    });
    // Some stay as they are: what is refused has to be refused with the same words.
    if random.u8(..8) > 0 {
        whole::make_sense(&mut pod, &mut random);
    }
    whole::without_nulls(&mut pod);
    pod
}

struct Generator<'s> {
    schema: &'s Schema,
    random: Rng,
    /// The share of optional properties that are there.
    density: f64,
}

impl Generator<'_> {
    fn object(&mut self, kind: &str) -> Value {
        if kind == "ResourceRequirements" {
            return sense::resources(&mut self.random);
        }
        let alternatives = hints::alternatives(self.schema, kind);
        let chosen =
            (!alternatives.is_empty()).then(|| alternatives[self.random.usize(..alternatives.len())]);
        let mut object = Map::new();
        for property in self.schema.properties(kind) {
            let name = &*property.name;
            let wanted = if alternatives.contains(&name) {
                chosen == Some(name)
            } else {
                property.is_required || hints::is_needed(kind, name) || self.random.f64() < self.density
            };
            if wanted && !hints::is_never(kind, name) {
                object.insert(name.to_owned(), self.property(kind, property));
            }
        }
        let mut object = Value::Object(object);
        sense::make_sense(kind, &mut object, &mut self.random);
        object
    }

    fn property(&mut self, kind: &str, property: &Property) -> Value {
        self.value(kind, &property.name, &property.shape)
    }

    fn value(&mut self, kind: &str, name: &str, shape: &Shape) -> Value {
        match shape {
            Shape::Object(kind) => self.object(kind),
            Shape::List(shape) => {
                let count = self.random.usize(1..=hints::most(name));
                let mut values: Vec<Value> = Vec::new();
                for _ in 0..count {
                    let value = self.value(kind, name, shape);
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                values.into()
            }
            Shape::Map(shape) => {
                let key = ["app", "example.com/part-of", "tier"][self.random.usize(..3)];
                json!({key: self.value(kind, "value", shape)})
            }
            Shape::OneOf(_) | Shape::Text if !hints::texts(kind, name).is_empty() => {
                let texts = hints::texts(kind, name);
                texts[self.random.usize(..texts.len())].into()
            }
            Shape::OneOf(values) => values[self.random.usize(..values.len())].clone().into(),
            Shape::Text => self.word().into(),
            Shape::Integer => self.random.i64(hints::range(kind, name)).into(),
            Shape::Boolean => self.random.bool().into(),
            Shape::Quantity => {
                ["1Gi", "0.5Gi", "200Mi", "1e9", "123456789", "1500M"][self.random.usize(..6)].into()
            }
            Shape::IntOrString if self.random.bool() => self.random.u16(1..).into(),
            Shape::IntOrString => "http".into(),
        }
    }

    /// A name of DNS-1123 that hardly comes twice.
    fn word(&mut self) -> String {
        let length = self.random.usize(5..=12);
        std::iter::once(self.random.lowercase())
            .chain((1..length).map(|_| self.random.alphanumeric().to_ascii_lowercase()))
            .collect()
    }
}
