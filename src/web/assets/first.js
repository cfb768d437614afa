// The first start: without a camera, and with nothing in the file that would say which, the page begins with the set-up.

let camera = null;
let info = null;

// Whether somebody has set one of these keys.
export const chooses = (config, keys) => Object.entries(config ?? {}).some(([key, { origin }]) => origin !== "default" && keys.test(key));

function offered() {
  try {
    const before = localStorage.getItem("setup") !== null;
    localStorage.setItem("setup", "offered");
    return before;
  } catch {
    // A browser that keeps nothing is offered it each time.
    return false;
  }
}

function look() {
  if (!info || camera?.status !== "offline" || camera.fault !== "missing" || location.hash) return;
  if (chooses(info.config, /^(camera|cameras|mqtt)\b/) || offered()) return;
  location.replace("#setup");
}

export const first = {
  camera(news) {
    camera = news;
    look();
  },
  info(news) {
    info = news;
    look();
  },
};
