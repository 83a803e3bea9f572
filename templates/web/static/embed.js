/* Sign-up forms that answer in place: those of our own page, or on another site that of the edition which data-edition
   names. No cookies, nothing kept, nobody asked but the site it came from. Without it the forms work, too. */
(() => {
  'use strict';
  const script = document.currentScript;

  /* A number whose SHA-256 with the token begins with 16 zero bits. Without crypto.subtle (no https): none. */
  const work = async (token) => {
    if (!window.crypto || !crypto.subtle) return '';
    const encoder = new TextEncoder();
    for (let start = 0; ; start += 256) {
      const digests = await Promise.all(Array.from({ length: 256 }, (_, place) =>
        crypto.subtle.digest('SHA-256', encoder.encode(`${token}:${start + place}`))));
      const found = digests.findIndex((digest) => new DataView(digest).getUint16(0) === 0);
      if (found >= 0) return String(start + found);
    }
  };

  const made = (name, text, before) => {
    const element = document.createElement(name);
    element.textContent = text;
    if (before) before.before(element);
    return element;
  };

  const enhance = (form) => {
    const note = form.querySelector('[data-note]');
    const button = form.querySelector('button');
    const label = button.textContent;
    let busy = false;

    const say = (text, problem) => {
      note.textContent = text;
      note.classList.toggle('problem', Boolean(problem));
    };

    const clear = () => {
      for (const field of form.querySelectorAll('[data-field]')) {
        field.querySelectorAll('.problem').forEach((one) => one.remove());
        field.querySelectorAll('[aria-invalid]').forEach((one) => one.removeAttribute('aria-invalid'));
        field.removeAttribute('aria-invalid');
      }
    };

    const mark = (problems) => {
      let first = null;
      for (const field of form.querySelectorAll('[data-field]')) {
        const text = problems[field.dataset.field];
        if (!text) continue;
        const input = field.querySelector('input, select');
        const problem = made('p', text, input.closest('.offer') || input);
        problem.className = 'problem';
        problem.id = `${form.id}problem-${field.dataset.field}`;
        problem.setAttribute('role', 'alert');
        const named = field.matches('fieldset') ? field : input;
        named.setAttribute('aria-invalid', 'true');
        const others = (named.getAttribute('aria-describedby') || '').split(' ').filter((one) => one && one !== problem.id);
        named.setAttribute('aria-describedby', [problem.id, ...others].join(' '));
        first = first || input;
      }
      if (first) first.focus();
    };

    const finish = (said) => {
      const place = document.createElement('div');
      place.setAttribute('role', 'status');
      place.tabIndex = -1;
      place.append(made('h2', said.heading), ...[said.text, ...(said.more || [])].map((text) => made('p', text)));
      form.replaceWith(place);
      place.focus();
    };

    const answered = (said) => {
      if (said.state === 'sent') return finish(said);
      button.textContent = label;
      if (said.state === 'invalid') {
        say('');
        mark(said.problems);
      } else if (said.state === 'again') {
        form.elements.token.value = said.token;
        button.textContent = said.button;
        say(said.text);
        button.focus();
      } else say(`${said.heading}. ${said.text}`, true);
    };

    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      clear();
      say(form.dataset.busy);
      button.setAttribute('aria-disabled', 'true');
      button.textContent = form.dataset.busy;
      try {
        const body = new URLSearchParams(new FormData(form));
        if ('work' in form.dataset) body.set('work', await work(body.get('token')));
        const answer = await fetch(form.action, {
          method: 'POST', body, credentials: 'omit', headers: { Accept: 'application/json' },
        });
        answered(await answer.json());
      } catch {
        button.textContent = label;
        say(form.dataset.offline, true);
      }
      button.removeAttribute('aria-disabled');
      busy = false;
    });
  };

  if (!script.dataset.edition) return document.querySelectorAll('form[data-newsletter]').forEach(enhance);
  const address = new URL(`../editions/${encodeURIComponent(script.dataset.edition)}/embed/form`, script.src);
  fetch(address, { credentials: 'omit' }).then((answer) => (answer.ok ? answer.text() : '')).then((html) => {
    const place = document.createElement('div');
    place.innerHTML = html;
    for (const one of place.querySelectorAll('.unused'))
      Object.assign(one.style, { position: 'absolute', clipPath: 'inset(50%)', width: '1px', height: '1px', overflow: 'hidden' });
    script.after(place);
    place.querySelectorAll('form').forEach(enhance);
  }).catch(() => {});
})();
