// What does not wait for the page's script: how the page looks, so that nothing flashes, and the connection to the daemon. That takes as
// long to open as the script takes to come, so over a slow line the first picture is here with the script.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing follows the system.
  }
  // For a screen on a wall: pictures and labels, and nothing to press.
  const isWall = new URLSearchParams(location.search).has("wall");
  if (isWall) document.documentElement.dataset.wall = "";

  // The log-in has no connection.
  if (!("connects" in document.currentScript.dataset)) return;

  // More events than come while a script is loaded, however slow the line.
  const MOST_EARLY = 1000;
  const FIRST_WIDTH = 160;

  // pictured: a small first picture comes without being asked for again.
  const dial = (pictured) => {
    const address = new URL("api/v1/live", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (pictured) address.searchParams.set("picture", FIRST_WIDTH);
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    return socket;
  };
  const pictured = !isWall && !document.hidden && /^(#live)?$/.test(location.hash);
  const socket = dial(pictured);
  const heard = [];
  socket.onmessage = (message) => {
    heard.push(message);
    if (heard.length > MOST_EARLY) socket.close();
  };
  window.early = { dial, pictured, socket, heard };
})();
