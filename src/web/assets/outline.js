// Regions on a picture: a line that can be seen on light and on dark.

export function outline(pen, { width, height }, { x, y, width: w, height: h }, thin) {
  const line = Math.max(thin ? 1 : 2, width / 240);
  for (const [ink, thickness] of [["rgb(0 0 0 / 60%)", 2 * line], ["#ffffff", line]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = thickness;
    pen.strokeRect(x * width, y * height, w * width, h * height);
  }
}

export const isPart = ({ region }) => region && (region.width < 1 || region.height < 1);

// Where there is no picture, the views of the camera are there all the same.
export function outlineViews(canvas, views) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (const { region } of views.filter(isPart)) outline(pen, canvas, region, true);
}
