// The static face of dlbook_utils.explore: native controls switch pictures that were drawn when the book was built.
"use strict";

const STEP_MS = 700; // between two pictures while playing

class Explore {
  constructor(figure) {
    this.figure = figure;
    this.controls = [...figure.querySelectorAll("input, select")];
    this.outputs = [...figure.querySelectorAll("output")];
    this.stage = figure.querySelector(".explore-stage");
    this.caption = figure.querySelector(".explore-caption");
    this.button = figure.querySelector(".explore-play");
    this.frames = JSON.parse(figure.querySelector("script").textContent);
    this.images = [];
    this.images[this.index()] = this.stage.firstElementChild;
    for (const control of this.controls) {
      control.addEventListener("input", () => { this.pause(); this.update(); });
    }
    this.button.hidden = this.size(this.controls[0]) < 2;
    this.button.addEventListener("click", () => this.press());
    // the other pictures are fetched when the reader comes near, never while the page is loading
    const near = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      this.frames.forEach((_, i) => this.image(i));
    }, { rootMargin: "400px" });
    near.observe(figure);
  }

  // number of values of a control, and the index of the chosen one
  size(control) {
    return control.options ? control.options.length : JSON.parse(control.dataset.texts).length;
  }

  value(control) {
    if (control.options) return control.selectedIndex;
    if (control.type === "range") return Number(control.value);
    const on = Number(control.dataset.on);
    if (this.size(control) < 2) return 0;
    return control.checked ? on : 1 - on;
  }

  text(control) {
    return control.options ? control.value : JSON.parse(control.dataset.texts)[this.value(control)];
  }

  // the pictures lie in one row, the last knob running fastest
  index() {
    return this.controls.reduce((index, control) => index * this.size(control) + this.value(control), 0);
  }

  image(i) {
    if (!this.images[i]) {
      const image = this.stage.firstElementChild.cloneNode();
      image.loading = "eager";
      image.decoding = "sync";
      image.alt = this.frames[i].caption;
      image.src = this.frames[i].src;
      this.images[i] = image;
    }
    return this.images[i];
  }

  update() {
    this.controls.forEach((control, k) => {
      const text = this.text(control);
      if (this.outputs[k].value !== text) this.outputs[k].value = text;
      if (control.type === "range") control.setAttribute("aria-valuetext", text);
    });
    const i = this.index();
    this.wanted = i;
    const image = this.image(i);
    if (image.complete) this.show(i);
    else image.addEventListener("load", () => this.wanted === i && this.show(i), { once: true });
  }

  show(i) {
    if (this.stage.firstElementChild !== this.images[i]) this.stage.replaceChildren(this.images[i]);
    this.caption.textContent = this.frames[i].caption;
  }

  press() {
    if (this.timer) return this.pause();
    // who asked for less motion gets one step a press
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.step();
    this.button.textContent = "Pause";
    this.step();
    this.timer = setInterval(() => this.step(), STEP_MS);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }

  step() {
    const knob = this.controls[0];
    const next = (this.value(knob) + 1) % this.size(knob);
    if (knob.options) knob.selectedIndex = next;
    else if (knob.type === "range") knob.value = next;
    else knob.checked = next === Number(knob.dataset.on);
    this.update();
  }
}

document.querySelectorAll("figure.explore").forEach((figure) => new Explore(figure));
