// The LSTM in double precision, by the equations of the book and with their names.

export const PARAMETERS = ["W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c"];
export const GATES = ["i", "f", "o", "c"];

export const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// One layer.
//   parameters: name -> numbers, row by row: W_x. (inputs, hidden), W_h. (hidden, hidden), b_. (hidden).
// Throws an Error that names the part that is missing, of a wrong size, or not finite.
export class LSTM {
  constructor(inputs, hidden, parameters) {
    Object.assign(this, { inputs, hidden });
    const sizes = { W_x: inputs * hidden, W_h: hidden * hidden, b_: hidden };
    for (const name of PARAMETERS) {
      const values = parameters[name], expected = sizes[name.slice(0, 3)] ?? sizes.b_;
      if (!values) throw new Error(`the layer lacks ${name}`);
      if (values.length !== expected) throw new Error(`${name} has ${expected} numbers, got ${values.length}`);
      if (!values.every(Number.isFinite)) throw new Error(`${name} holds a number that is not finite`);
    }
    // Side by side, as in the scratch layer: columns i, f, o, c of every row.
    this.W_x = this.sideBySide("W_x", inputs, parameters);
    this.W_h = this.sideBySide("W_h", hidden, parameters);
    this.b = this.sideBySide("b_", 1, parameters);
  }

  sideBySide(prefix, rows, parameters) {
    const joined = new Float64Array(rows * 4 * this.hidden);
    GATES.forEach((gate, place) => {
      const values = parameters[prefix + gate];
      for (let row = 0; row < rows; row++) {
        for (let unit = 0; unit < this.hidden; unit++) joined[(row * 4 + place) * this.hidden + unit] = values[row * this.hidden + unit];
      }
    });
    return joined;
  }

  zeros() {
    return { H: new Float64Array(this.hidden), C: new Float64Array(this.hidden) };
  }

  // One step. x: a token, whose one-hot vector picks a row, or `inputs` numbers.
  // Returns I, F, O, C_tilde, C, H, each with one number a unit.
  step(x, { H, C }) {
    const h = this.hidden, width = 4 * h, score = this.b.slice();
    const add = (W, row, factor) => { for (let k = 0, at = row * width; k < width; k++) score[k] += factor * W[at + k]; };
    if (typeof x === "number") add(this.W_x, x, 1);
    else for (let row = 0; row < this.inputs; row++) add(this.W_x, row, x[row]);
    for (let row = 0; row < h; row++) add(this.W_h, row, H[row]);
    const out = {};
    for (const name of ["I", "F", "O", "C_tilde", "C", "H"]) out[name] = new Float64Array(h);
    for (let k = 0; k < h; k++) {
      out.I[k] = sigmoid(score[k]);
      out.F[k] = sigmoid(score[h + k]);
      out.O[k] = sigmoid(score[2 * h + k]);
      out.C_tilde[k] = Math.tanh(score[3 * h + k]);
      out.C[k] = out.F[k] * C[k] + out.I[k] * out.C_tilde[k];
      out.H[k] = out.O[k] * Math.tanh(out.C[k]);
    }
    return out;
  }

  // All steps of a sequence, from a state or from zeros.
  run(sequence, state = this.zeros()) {
    const steps = [];
    for (const x of sequence) steps.push((state = this.step(x, state)));
    return steps;
  }
}
