// Small services of every page.
"use strict";

// A chapter is long: book.css leaves what is out of sight unlaid, so that the first screen is there at once. When the browser
// has time, the rest is laid out piece by piece, and nothing moves later.
const lazyPieces = [...document.querySelectorAll(".bd-article section > :is(p, ul, ol, div, blockquote, details)")];
const layOut = (deadline) => {
  while (lazyPieces.length && deadline.timeRemaining() > 20) {
    const piece = lazyPieces.shift();
    piece.style.contentVisibility = "visible";
    piece.getBoundingClientRect(); // now, and not all pieces together in the next frame
  }
  if (lazyPieces.length) requestIdleCallback(layOut);
};
// not before the fonts are there: they would make it lay out everything once more, all at once
if (window.requestIdleCallback) document.fonts.ready.then(() => requestIdleCallback(layOut));
else lazyPieces.forEach((piece) => (piece.style.contentVisibility = "visible"));

// What scrolls sideways in its own box must be in reach of the keyboard; the theme sees to code and output. To measure all boxes at
// once would lay out the whole chapter while it is loading: each is measured when the reader comes near, all when she starts to tab.
const boxes = document.querySelectorAll(".scrolls");
const markScrollable = (box) => {
  if (box.scrollWidth > box.clientWidth + 1) box.setAttribute("tabindex", "0");
  else box.removeAttribute("tabindex");
};
const approaching = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => markScrollable(entry.target)),
  { rootMargin: "600px" },
);
boxes.forEach((box) => approaching.observe(box));
addEventListener("keydown", (event) => event.key === "Tab" && boxes.forEach(markScrollable), { once: true });
