/**
 * Lets xterm.js live under a content security policy without 'unsafe-inline'.
 *
 * It writes its rules into <style> elements, and colours of its DOM renderer into style attributes.
 * The policy forbids both as text, and neither as objects: rules go into constructed style sheets,
 * attributes through CSSStyleDeclaration (CSP Level 3, section 6.6.3; CSSOM). A test holds the page
 * to no violation with either renderer.
 */

export function applyStrictStyles(): void {
  const createElement = document.createElement.bind(document);
  document.createElement = (name: string, options?: ElementCreationOptions): HTMLElement =>
    name === "style" ? styleElement(createElement("template")) : createElement(name, options);

  const setAttribute = Element.prototype.setAttribute;
  HTMLElement.prototype.setAttribute = function (name: string, value: string): void {
    if (name === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };
}

/**
 * Make `element` pass for a style element: its text goes into a sheet that lives until it is
 * removed. A real one would be a violation even while it is empty.
 */
function styleElement(element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", {
    get: () => "",
    set: (text: string) => sheet.replaceSync(text),
  });
  element.remove = () => {
    const sheets = document.adoptedStyleSheets;
    document.adoptedStyleSheets = sheets.filter((each) => each !== sheet);
    HTMLElement.prototype.remove.call(element);
  };
  return element;
}
