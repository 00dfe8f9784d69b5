// Brings a page's widgets to life without a kernel.
//
// A page carries the state of its widgets as JSON, as ipywidgets writes it, and a place for each view. Ours
// are all anywidgets: a module with `render({ model, el })`, which needs no more of a host than a model that
// keeps values and calls back. A page that holds any other widget gets the whole html-manager, which weighs
// twenty times as much as everything else.
(function () {
  "use strict";
  if (document.documentElement.dataset.widgets) return;     // two parts of a page asked for the same host
  document.documentElement.dataset.widgets = "hosted";
  const folder = new URL(".", document.currentScript.src).href;
  const MANAGER = ["require.js", "widgets-config.js", "embed-amd.js"];
  const json = (type) => [...document.querySelectorAll(`script[type="application/vnd.jupyter.${type}+json"]`)]
    .map((script) => [script, JSON.parse(script.textContent)]);

  function bytes(base64) {
    const text = atob(base64), values = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k++) values[k] = text.charCodeAt(k);
    return new DataView(values.buffer);
  }

  class Model {
    constructor({ state, buffers = [] }) {
      this.values = { ...state };
      this.calls = {};
      for (const { path, data } of buffers) {
        const last = path[path.length - 1];
        path.slice(0, -1).reduce((place, key) => place[key], this.values)[last] = bytes(data);
      }
    }
    get(name) { return this.values[name]; }
    set(name, value) {
      if (this.values[name] === value) return;
      this.values[name] = value;
      for (const call of [...(this.calls[`change:${name}`] ?? []), ...(this.calls.change ?? [])]) call();
    }
    on(event, call) { (this.calls[event] ??= []).push(call); }
    off(event, call) { this.calls[event] = call ? (this.calls[event] ?? []).filter((one) => one !== call) : []; }
    save_changes() {}                    // there is no kernel to tell
    send() {}
  }

  // The module and the style of a model, once, however many views it has.
  async function bring(model) {
    if (model.get("_css")) {
      const style = document.createElement("style");
      style.textContent = model.get("_css");
      document.head.append(style);
    }
    const address = URL.createObjectURL(new Blob([model.get("_esm")], { type: "text/javascript" }));
    let widget = (await import(address)).default;
    URL.revokeObjectURL(address);
    if (typeof widget === "function") widget = await widget();
    await widget.initialize?.({ model });
    return widget;
  }

  async function show(place, model) {
    const el = document.createElement("div");
    el.className = "widget-host";
    place.after(el);
    const widget = await (model.widget ??= bring(model));
    await widget.render?.({ model, el });
    el.dataset.ready = "";
  }

  function load(files) {
    if (!files.length) return;
    const script = document.createElement("script");
    script.src = folder + files[0];
    script.addEventListener("load", () => load(files.slice(1)));
    document.head.append(script);
  }

  function begin() {
    const records = Object.assign({}, ...json("widget-state").map(([, content]) => content.state));
    for (const { state } of Object.values(records)) if (state._esm?.of) state._esm = records[state._esm.of].state._esm;
    const views = json("widget-view").map(([place, { model_id: id }]) => [place, id]);
    if (views.some(([, id]) => records[id]?.model_module !== "anywidget")) return load(MANAGER);
    const models = {};
    for (const [place, id] of views) show(place, (models[id] ??= new Model(records[id])));
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
