//! A graph from any bytes: random operators with random attributes on values that are there. What is refused is left out.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use pellucid_graph::import::{Import, ImportInput};
use pellucid_graph::random::Stream;
use pellucid_graph::{
    Attribute, Attributes, Budget, Buffer, Builder, DType, Fact, Operator, Tensor, ValueId, ops,
};

use super::schema::{self, Schema};

/// The most nodes of a graph, before composites are opened.
const MOST_NODES: usize = 12;
/// The most elements of an input or a constant.
const MOST_ELEMENTS: usize = 512;
/// The most elements of a value: what operators make larger is not built upon.
const MOST_COMPUTED: usize = 1 << 16;

/// A graph that is not finished yet, with a tensor for each input.
pub(crate) struct Made {
    pub builder: Builder,
    pub inputs: Vec<(ValueId, Tensor)>,
    pub values: Vec<ValueId>,
}

/// Builds a graph; the bytes may end anywhere.
pub(crate) fn generate(u: &mut Unstructured<'_>) -> Result<Made> {
    let rows = u.int_in_range(1..=3)?;
    let sizes = [rows, 1, u.int_in_range(1..=4)?, u.int_in_range(1..=6)?];
    let budget = Budget { bytes: 1 << 20, work: 1 << 22 };
    let mut made =
        Made { builder: Builder::with_budget(rows, budget), inputs: Vec::new(), values: Vec::new() };
    for i in 0..u.int_in_range(1..=3)? {
        let mut shape = shape(u, &sizes, 4)?;
        shape.insert(0, rows);
        let dtype = if i == 0 { *u.choose(&[DType::F64, DType::F32])? } else { dtype(u)? };
        let tensor = tensor(u, dtype, &shape)?;
        let id = made.builder.input(&format!("x{i}"), Fact::new(dtype, &shape));
        made.inputs.push((id, tensor));
        made.values.push(id);
    }
    for i in 0..MOST_NODES {
        if u.is_empty() {
            break;
        }
        made.builder.set_origin(Some(format!("node {i}").as_str().into()));
        node(u, &mut made, &sizes)?;
    }
    made.builder.set_origin(None);
    Ok(made)
}

fn node(u: &mut Unstructured<'_>, made: &mut Made, sizes: &[usize]) -> Result<()> {
    let definition = u.choose(ops::TABLE)?;
    let schema = schema::of(definition.domain, definition.name);
    let attributes = attributes(u, &schema)?;
    let count = u.int_in_range(schema.inputs.0..=schema.inputs.1)?;
    let mut ids: Vec<Option<ValueId>> = Vec::with_capacity(count);
    for i in 0..count {
        ids.push(input(u, made, sizes, i, i >= schema.inputs.0)?);
    }
    let constant = |id: ValueId| made.builder.constant(id).cloned();
    let inputs = ids
        .iter()
        .enumerate()
        .map(|(i, id)| id.map_or(ImportInput::Missing, |id| ImportInput::Value(i, constant(id))))
        .collect();
    let opset = u.int_in_range(7..=26)?.max(definition.since);
    let outputs = u.int_in_range(1..=schema.outputs.max(1))?;
    let mut import = Import { operator: definition.name, opset, attributes: &attributes, inputs, outputs };
    let Ok(op) = (definition.import)(&mut import) else { return Ok(()) };
    let mut given = Vec::with_capacity(import.inputs.len());
    for input in import.inputs {
        given.push(match input {
            ImportInput::Missing => None,
            ImportInput::Value(i, _) => ids[i],
            ImportInput::Constant(tensor) => Some(made.builder.constant_value(tensor)),
        });
    }
    // As specialising does: a composite that only runs through its body is its body, or stays until it is planned.
    let opened = !op.runs() && u.ratio(1, 2)?;
    let body = if opened { op.lower(&mut made.builder, &given) } else { Ok(None) };
    let Ok(body) = body else { return Ok(()) };
    let found = match body {
        Some(outputs) => outputs,
        None => match add(&mut made.builder, op, &given) {
            Some(outputs) => outputs,
            None => return Ok(()),
        },
    };
    let small = |id: &ValueId| made.builder.fact(*id).len() <= MOST_COMPUTED;
    let found: Vec<ValueId> = found.into_iter().filter(small).collect();
    made.values.extend(found);
    Ok(())
}

/// Adds a node, unless it is refused or grows too large to be run here.
fn add(b: &mut Builder, op: Arc<dyn Operator>, inputs: &[Option<ValueId>]) -> Option<Vec<ValueId>> {
    let args: Vec<_> = inputs
        .iter()
        .map(|v| v.map(|v| pellucid_graph::Arg { fact: b.fact(v), constant: b.constant(v) }))
        .collect();
    let facts = op.infer(&args).ok()?;
    if facts.iter().any(|f| f.len() > MOST_COMPUTED) || op.work(&args, &facts) > 1 << 22 {
        return None;
    }
    b.node(op, inputs).ok()
}

fn input(
    u: &mut Unstructured<'_>,
    made: &mut Made,
    sizes: &[usize],
    position: usize,
    optional: bool,
) -> Result<Option<ValueId>> {
    if optional && u.ratio(1, 4)? {
        return Ok(None);
    }
    if position == 0 && u.ratio(7, 8)? || u.ratio(1, 3)? {
        // Later values more often than earlier ones.
        let back = u.int_in_range(0..=made.values.len() - 1)?.min(u.int_in_range(0..=made.values.len() - 1)?);
        return Ok(Some(made.values[made.values.len() - 1 - back]));
    }
    let like = made.builder.fact(*made.values.last().unwrap_or(&made.values[0])).clone();
    let tensor = match u.int_in_range(0..=4u8)? {
        0 => numbers(u)?,
        1 => tensor(u, like.dtype, &like.shape[..like.shape.len().min(6)])?,
        2 => {
            let last = like.shape.get(usize::from(u.ratio(1, 2)?)).or(like.shape.last());
            let last = last.copied().unwrap_or(1);
            tensor(u, like.dtype, &[last])?
        }
        3 => {
            let shape = shape(u, sizes, 5)?;
            tensor(u, like.dtype, &shape)?
        }
        _ => {
            let (dtype, shape) = (dtype(u)?, shape(u, sizes, 5)?);
            tensor(u, dtype, &shape)?
        }
    };
    Ok(Some(made.builder.constant_value(tensor)))
}

/// Axes, shapes, pads, counts.
fn numbers(u: &mut Unstructured<'_>) -> Result<Tensor> {
    let n = u.int_in_range(0..=6)?;
    let scalar = n == 1 && u.ratio(1, 2)?;
    let list = (0..n).map(|_| integer(u)).collect::<Result<Vec<i64>>>()?;
    Ok(if scalar { Tensor::scalar(list[0]) } else { Tensor::vector(list) })
}

fn integer(u: &mut Unstructured<'_>) -> Result<i64> {
    Ok(match u.int_in_range(0..=31u8)? {
        0 => *u.choose(&[i64::MIN, i64::MAX, i64::MIN + 1, 1 << 31, 1 << 32, -(1 << 40), 1000, -1000, 65])?,
        1..=4 => u.int_in_range(-6..=-1)?,
        _ => u.int_in_range(0..=6)?,
    })
}

fn float(u: &mut Unstructured<'_>) -> Result<f32> {
    let usual = [0.0, 1.0, 0.5, -1.0, 2.0, 1e-5, 0.1, 3.0];
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e30, 1e-30, -1e10, f32::MAX];
    Ok(if u.ratio(1, 8)? { *u.choose(&odd)? } else { *u.choose(&usual)? })
}

fn dtype(u: &mut Unstructured<'_>) -> Result<DType> {
    use DType::{Bool, F32, F64, I8, I16, I32, I64, String, U8, U16, U32, U64};
    let all = [F64, F32, I64, Bool, F64, F32, I32, U8, I8, I16, U16, U32, U64, String, F64, F32];
    u.choose(&all).copied()
}

/// Sizes mostly of those few that the graph has, so that shapes often fit each other.
fn shape(u: &mut Unstructured<'_>, sizes: &[usize], most_rank: usize) -> Result<Vec<usize>> {
    let rank = u.int_in_range(0..=most_rank)?;
    let mut shape = Vec::with_capacity(rank);
    let mut elements = 1;
    for _ in 0..rank {
        let size = if u.ratio(1, 8)? { u.int_in_range(0..=8)? } else { *u.choose(sizes)? };
        let size = if elements * size > MOST_ELEMENTS { 1 } else { size };
        elements *= size;
        shape.push(size);
    }
    Ok(shape)
}

/// Elements that are drawn; how, and from which key, the bytes say.
fn tensor(u: &mut Unstructured<'_>, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    let elements = pellucid_graph::tensor::elements(shape).unwrap_or(usize::MAX);
    let shape = if elements > 4 * MOST_ELEMENTS { &[][..] } else { shape };
    let n = shape.iter().product::<usize>();
    let (key, how) = (u64::from(u.arbitrary::<u8>()?), u.int_in_range(0..=7u8)?);
    let mut s = Stream::new(7, [key, u64::from(how), n as u64]);
    let small = |s: &mut Stream| (s.uniform() * 8.0) as i64 - 2;
    let real = |s: &mut Stream| match how {
        0 => small(s) as f64,
        1 => {
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 1e-300, 0.5, -1e38];
            odd[(s.uniform() * 8.0) as usize % 8]
        }
        2 => 0.0,
        3 => s.uniform() * 1e6,
        _ => s.normal(),
    };
    let whole = |s: &mut Stream| match how {
        0 => [i64::MIN, i64::MAX, -1, 0, 1, 255, 128, -128][(s.uniform() * 8.0) as usize % 8],
        1 => 0,
        _ => small(s),
    };
    macro_rules! whole {
        ($type:ty) => {
            (0..n).map(|_| whole(&mut s) as $type).collect()
        };
    }
    let data = match dtype {
        DType::F32 => Buffer::F32((0..n).map(|_| real(&mut s) as f32).collect()),
        DType::F64 => Buffer::F64((0..n).map(|_| real(&mut s)).collect()),
        DType::I8 => Buffer::I8(whole!(i8)),
        DType::I16 => Buffer::I16(whole!(i16)),
        DType::I32 => Buffer::I32(whole!(i32)),
        DType::I64 => Buffer::I64(whole!(i64)),
        DType::U8 => Buffer::U8(whole!(u8)),
        DType::U16 => Buffer::U16(whole!(u16)),
        DType::U32 => Buffer::U32(whole!(u32)),
        DType::U64 => Buffer::U64(whole!(u64)),
        DType::Bool => Buffer::Bool((0..n).map(|_| s.uniform() < 0.5).collect()),
        DType::String => {
            let texts = ["", "a", "1.5", "NaN", "é"];
            Buffer::String((0..n).map(|_| texts[(s.uniform() * 5.0) as usize % 5].to_owned()).collect())
        }
    };
    Ok(Tensor::from_buffer(shape, data).unwrap_or_else(|| Tensor::scalar(0.0)))
}

fn attributes(u: &mut Unstructured<'_>, schema: &Schema) -> Result<Attributes> {
    let mut found = Attributes::new();
    for &(name, kind) in &schema.attributes {
        if u.ratio(1, 2)? {
            continue;
        }
        // Now and then of a wrong type.
        let kind = if u.ratio(1, 64)? { *u.choose(&['i', 'f', 's', 't', 'I', 'F', 'S'])? } else { kind };
        let value = match kind {
            'i' if u.ratio(1, 2)? => Attribute::Int(u.int_in_range(0..=2)?),
            'i' => Attribute::Int(integer(u)?),
            'f' => Attribute::Float(float(u)?),
            's' => Attribute::Text(text(u, name)?),
            't' => Attribute::Tensor(numbers(u)?),
            'I' => {
                let n = u.int_in_range(0..=6)?;
                Attribute::Ints((0..n).map(|_| integer(u)).collect::<Result<_>>()?)
            }
            'F' => {
                let n = u.int_in_range(0..=4)?;
                Attribute::Floats((0..n).map(|_| float(u)).collect::<Result<_>>()?)
            }
            'S' => {
                let n = u.int_in_range(0..=4)?;
                Attribute::Texts((0..n).map(|_| text(u, name)).collect::<Result<_>>()?)
            }
            _ => continue,
        };
        found.set(name, value);
    }
    Ok(found)
}

fn text(u: &mut Unstructured<'_>, attribute: &str) -> Result<String> {
    let known = schema::texts(attribute);
    if known.is_empty() || u.ratio(1, 32)? {
        return Ok((*u.choose(&["", "none", "é", "tanh"])?).to_owned());
    }
    Ok((*u.choose(known)?).to_owned())
}
