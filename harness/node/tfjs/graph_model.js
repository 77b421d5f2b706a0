// Runs one TensorFlow.js graph model for harness/runtimes/tfjs_wasm.py. Arguments: the folder with node_modules, and
// the descriptor that answers go to (stdout is left to libraries). A message is a length (uint32, little endian),
// that many bytes of JSON, and the bytes that its field "bytes" counts; see harness/node/process.py.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const {createRequire} = require('node:module');

const [, , MODULES, ANSWERS] = process.argv;
const ours = createRequire(path.join(path.resolve(MODULES), 'package.json'));
const COMMANDS = {start, load, set, run, get};
const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};
let tf, converter, model, input, results;

// Imports the library and its backend, so that loading a model is not that.
async function start({simd}) {
  tf = ours('@tensorflow/tfjs-core');
  converter = ours('@tensorflow/tfjs-converter');
  const wasm = ours('@tensorflow/tfjs-backend-wasm');
  tf.env().set('WASM_HAS_SIMD_SUPPORT', simd && await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'));
  if (!await tf.setBackend('wasm')) throw new Error('the wasm backend does not start');
  const versions = {node: process.version, tfjs: tf.version_core, wasm: wasm.version_wasm};
  return {versions, simd: tf.env().getBool('WASM_HAS_SIMD_SUPPORT'), loaded: Object.keys(require.cache)};
}

// Reads model.json and its shards; outputs are asked for by their names in the signature, for their order may change.
async function load({file}) {
  const begin = process.hrtime.bigint();
  const json = JSON.parse(fs.readFileSync(file, 'utf8'));
  const weights = (manifest) => [
    manifest.flatMap((group) => group.weights),
    joined(manifest.flatMap((group) => group.paths.map((name) => shard(path.dirname(file), name)))),
  ];
  const read = async (groups) => weights(groups);
  model = await converter.loadGraphModel({load: () => tf.io.getModelArtifactsForJSON(json, read)});
  const load_ns = Number(process.hrtime.bigint() - begin);
  const signature = json.signature ?? json.userDefinedMetadata?.signature ?? {};
  return {load_ns, inputs: ports(signature.inputs, model.inputs), outputs: ports(signature.outputs, model.outputs)};
}

function shard(folder, name) {
  const file = path.join(folder, name);
  if (name !== path.basename(name) || !fs.lstatSync(file).isFile()) {
    throw new Error(`the shard '${name}' is no plain file beside model.json`);
  }
  return fs.readFileSync(file);
}

function joined(buffers) {
  const all = new Uint8Array(buffers.reduce((total, one) => total + one.length, 0));
  let end = 0;
  for (const one of buffers) {
    all.set(one, end);
    end += one.length;
  }
  return all.buffer;
}

// Name, shape (-1 where a size is free, null where nothing is known) and dtype of the inputs or outputs.
function ports(given, nodes) {
  const named = Object.entries(given ?? {}).map(([name, info]) => ({
    name,
    shape: info.tensorShape ? (info.tensorShape.dim ?? []).map((dim) => Number(dim.size ?? -1)) : null,
    dtype: info.dtype ?? 'DT_FLOAT',
  }));
  const bare = nodes.map((node) => ({name: node.name, shape: node.shape ?? null, dtype: node.dtype ?? 'float32'}));
  return named.length ? named : bare;
}

async function set({name, shape, dtype}, payload) {
  const values = new ARRAYS[dtype](joined([payload]));
  input?.tensor.dispose();
  input = {name, tensor: tf.tensor(values, shape, dtype)};
  return {};
}

// The only thing that is timed: execute, until all outputs are in JavaScript's memory.
async function run({outputs}) {
  const feeds = {[input.name]: input.tensor};
  return tf.tidy(() => {
    const used = process.cpuUsage();
    const begin = process.hrtime.bigint();
    const tensors = [model.execute(feeds, outputs)].flat();
    const values = tensors.map((tensor) => tensor.dataSync());
    const wall_ns = Number(process.hrtime.bigint() - begin);
    const cpu = process.cpuUsage(used);
    results = tensors.map((one, i) => ({name: outputs[i], shape: one.shape, values: values[i]}));
    return {wall_ns, cpu_ns: (cpu.user + cpu.system) * 1000};
  });
}

// The results of the last run, as float32 one behind the other.
async function get() {
  const arrays = results.map((one) => Float32Array.from(one.values));
  const payload = Buffer.concat(arrays.map((one) => Buffer.from(one.buffer)));
  return {outputs: results.map(({name, shape}) => ({name, shape})), payload};
}

function take(count) {
  const buffer = Buffer.alloc(count);
  let done = 0;
  while (done < count) {
    const got = fs.readSync(0, buffer, done, count - done, null);
    if (!got) process.exit(0);
    done += got;
  }
  return buffer;
}

function answer(content, payload = Buffer.alloc(0)) {
  const text = Buffer.from(JSON.stringify({...content, bytes: payload.length}));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  for (const part of [length, text, payload]) {
    for (let done = 0; done < part.length;) done += fs.writeSync(Number(ANSWERS), part, done);
  }
}

async function main() {
  for (;;) {
    const request = JSON.parse(take(take(4).readUInt32LE()).toString());
    const bytes = take(request.bytes);
    try {
      const {payload, ...content} = await COMMANDS[request.do](request, bytes);
      answer(content, payload);
    } catch (error) {
      answer({error: {name: error.name, message: String(error.message), stack: String(error.stack)}});
    }
  }
}

main();
