// The kind of the phone: Google Messages on Android, or Messages on an iPhone.

const key = "rcshook.device";

export const device = {
  iphone: localStorage.getItem(key) === "iphone",

  set(iphone) {
    device.iphone = iphone;
    localStorage.setItem(key, iphone ? "iphone" : "android");
  },
};
